"""Replicated state on SQLite: apply is a pure function of the log."""
