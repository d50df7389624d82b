"""
Accounts as XML that other servers read and write (XEP-0227, version 1.1).

`writing` makes the XML of what an account keeps, `reader` cuts a file into pieces, `reading` turns a piece into the
command that puts it into an account, `vocabulary` names both. Parts are written one after the other, so neither side
ever holds a whole archive.
"""
