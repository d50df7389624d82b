"""Logging in by one command: tokens that stand for a password, and a session that is bound or resumed at once."""
