"""
What happens to numbers, told to programs: each event of the outbox is one POST in the shape of the Cloud API.

    rendering.py   an event → the bytes of its POST; content.py, files.py and cards.py read the message it is about
    signature.py   how a receiver knows that it comes from here
    challenge.py   how an address shows that it wants to be told
    client.py      the HTTP client, and which addresses it goes to
    lanes.py       what the leader holds of the outbox: a line of events for each person
    directory.py   where an application is told, remembered for a second
    posting.py     one try to deliver one event
    delivery.py    whose turn it is, within the bounds of people, applications and hosts
    receipts.py    what people are told whose message was taken
    settling.py    what receivers have taken, into the log
    dispatcher.py  the chore of the leader that delivers
"""
