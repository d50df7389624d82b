"""
The list of an account's conversations (XEP-0430): what was said last, how much of it is unread, and who was mentioned.

Nothing is written for it when a message is stored: the list is computed from archives when it is asked for.

    listing.py     which conversations there are, a slice at a time
    unread.py      what of one is unread: back from its end to where the user is known to have read
    read_state.py  where that is: displayed states (XEP-0490) and markers (XEP-0333)
    read_marks.py  what of that is written down
    payloads.py    which messages count
    mentions.py    whom they mention
    latest.py      the message that is shown beside a conversation
    ticks.py       who has got a message of one's own, and who has read it
"""
