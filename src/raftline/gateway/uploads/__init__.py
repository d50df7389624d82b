"""Uploaded files over HTTP (XEP-0363): `endpoint` takes requests, `putting` and `reading` carry them out."""
