"""
Personal eventing: every account is a publish-subscribe service (XEP-0060, XEP-0163).

    tables.py         what is kept
    state.py          those tables and what is derived of them, as `context.pubsub`
    commands.py       what sessions do
    config.py         the configuration of a node: defaults, options, preconditions
    access.py         who may read a node
    nodes.py          nodes made, configured, emptied, deleted; affiliations
    items.py          items published and retracted; expiry.py when they go by themselves
    location.py       how often a location is updated (XEP-0080)
    subscribers.py    subscriptions that were asked for by name
    capabilities.py   which nodes a session wants to hear of
    notifications.py  who hears of a change, and of what was there before
    catch_up.py       what a resumed session missed
    avatars.py        which picture is announced; photos.py its hash in presence; cards.py that of a card (XEP-0398)
    bookmarks.py      lists of bookmarks as one (XEP-0402)
    displayed.py      how far a user has read (XEP-0490)
    removal.py        what a deleted account leaves
    answers.py        questions to the local replica
    handlers.py       all of it in lists, for apply

Everything of a node belongs to the account that owns it, the subscriptions of others too: so all of it is one entity.
"""
