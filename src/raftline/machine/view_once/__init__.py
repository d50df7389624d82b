"""
Messages that are viewed once (docs/view-once.md): what is to be seen is kept apart, and given to each account once.

    tables.py     what is sealed, and who has opened it in a room
    commands.py   send sealed, in a chat or a room; open
    sealing.py    the message goes its way without what is sealed
    opening.py    the content is given to one device; or nobody came for it in time
    ending.py     what is sealed goes with its message, its conversation, its author

The message that everyone has, and archives keep, never holds the content. So there is nothing to take out of inboxes,
copies and archives once it was seen, and no device has it that did not ask. Who asks first, among the devices of an
account, is decided by the log.
"""
