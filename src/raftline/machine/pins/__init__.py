"""
Pinned messages of a conversation (docs/pins.md), the same for all who take part in it.

    tables.py     which messages are pinned
    commands.py   pin, unpin
    pinning.py    who may, how many, who is told; what goes along with a message or an account
"""
