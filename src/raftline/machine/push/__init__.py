"""
Push notifications (XEP-0357): devices that are not connected are told through services of their makers.

    tables.py          what is kept
    state.py           those tables and what is derived of them, as `context.push`
    commands.py        what sessions do, and what services answer
    registrations.py   which services an account's devices have named
    alerts.py          when a device is owed a notification, and what it says
    outbox.py          notifications that are to be published: written, answered, given up
    queries.py         what the publisher asks (node/publisher.py); answers.py what it is told
    handlers.py        all of it in lists, for apply

Registrations and notifications belong to the account, so all of it is one entity. A service is no entity of the state:
it may be anywhere, and is spoken to by the one node that leads.
"""
