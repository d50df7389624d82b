"""
Polls, and events with answers (docs/polls.md, docs/events.md): questions with options, asked in rooms and in chats.

    tables.py     a question, what was chosen, whom it is still to be told
    commands.py   ask in a room, choose, close
    terms.py      what a question is
    checks.py     what may be asked
    asking.py     a question begins with its message
    choosing.py   a member's choice, the end by hand and by time, the count
    telling.py    the count is told, not more often than anyone can look
    ending.py     a question goes with its message, its conversation, its author

An event is a question whose options are yes, no and maybe; what else there is to it stands in its message alone. So it
is told apart by its kind, in the words of the protocol floor, and nowhere in the count.

A question is an entity of its own. It is named by the position of its message, and belongs to a room or to the chat of
two accounts (conversations/participation.py).
"""
