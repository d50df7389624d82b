"""
The protocol of publish-subscribe nodes of accounts (XEP-0060), in parts that xeps/xep_0060_pubsub.py registers.

    vocabulary.py   namespaces, and the refusals that name a condition of XEP-0060
    node_forms.py   configuration of a node as a form, and back
    requests.py     what anyone may ask: items, subscriptions; and what publishers do
    owner.py        what the owner of a node does
    discovery.py    nodes and items in service discovery
    events.py       notifications as the messages that clients get
"""
