"""One file per XEP."""
