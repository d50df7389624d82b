"""Raft at work: peer links, the driver loop, proposals."""
