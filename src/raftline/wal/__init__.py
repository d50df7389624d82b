"""Durable log."""
