"""Raftline: a self-hosted messenger whose servers agree through Raft."""

__version__ = "0.1.0"
