"""XMPP, one module per XEP, no I/O."""
