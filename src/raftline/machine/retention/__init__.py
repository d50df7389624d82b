"""
How long an installation keeps what it keeps: archives, uploads, reports, what is left of deleted accounts.

    tables.py       a row for each kind that has a limit, with how far its deletion has come
    rules.py        limits are set by a command, so that they are the same on all nodes at the same place in the log
    deletion.py     what is too old goes in steps, by log time: timers like others (timers/due.py)

What has no row is kept for ever, and what is left of a deleted account goes at once. Decided against: settings in a
node's file, which would make replicas differ as soon as two files do.
"""
