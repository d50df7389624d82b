"""Rooms as clients see them (XEP-0045): what xeps/xep_0045_muc.py registers, by use case."""
