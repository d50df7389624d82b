"""
What happens at a time, without anybody asking for it then: in the log, at the same place on every node.

    due.py          the rows that wait for a time, of every kind, and the command that carries out what is due
    tables.py       which messages disappear, and when
    ephemeral.py    messages that disappear (XEP-0466)

Sessions that nobody resumed (resumption.py) and items of nodes (pubsub/expiry.py) are timers of their own areas.
"""
