"""The cluster console."""
