"""
Polls and events with answers, extensions of our own (docs/polls.md, docs/events.md), over machine/polls.

    words.py       the elements of either, in one table
    reading.py     what a message asks, and the text it has for clients that do not know
    requests.py    choose, end, ask how it stands
    render.py      how it stands, as an answer and as news
    extension.py   registers all that
"""
