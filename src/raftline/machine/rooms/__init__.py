"""Rooms (XEP-0045): entities of the replicated state at `conference.DOMAIN`, beside accounts."""
