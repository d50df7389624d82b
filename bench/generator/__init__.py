"""The load generator: a process of its own that speaks XMPP with any server at little cost of its own."""
