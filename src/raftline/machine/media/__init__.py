"""Uploaded files, as far as they are state: slots, who uploaded what, and how many refer to the same bytes."""
