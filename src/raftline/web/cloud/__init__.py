"""
The Cloud API: what programs that speak for numbers call under any `/vN.N/`, in the shape of WhatsApp's.

    routing.py     which endpoint a path means
    call.py        what every endpoint is given, and how it is declared
    access.py      whose token it is, and what it may be used for
    errors.py      one form of refusal for all of it
    addressing.py  people, as programs name them
    endpoints.py   the table of all endpoints, which the other files here declare
"""
