"""
Businesses: numbers that programs speak for over HTTP (the Cloud API), as replicated state.

A business has applications, whose tokens and secrets programs hold, and numbers. A number is an account whose local
part is its digits, so it archives, blocks and is blocked, and is written to as any other; devices may sign in to it.
What happens to it is told to the applications by events (events.py), which wait in the log until they are delivered.

    directory.py     what there is: businesses, applications, tokens, numbers, callbacks; kept in memory
    administration.py  commands about businesses and numbers, each with a line in the audit trail (audit.py)
    applications.py  commands about applications, their tokens and callbacks
    sending.py       what a number sends, and what the state remembers of it
    receiving.py     what comes for a number: messages, receipts, markers, answers
    questions.py     what a number asks, and which messages are answers
    events.py        the outbox of events: written, delivered, given up, delivered anew
    pace.py          limits of throughput, by cluster time
    groups.py        groups that numbers lead; group_speaking.py what they say there; group_telling.py, group_events.py
                     what rooms tell them and what they make of it; group_index.py which rooms have numbers
"""
