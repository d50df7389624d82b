"""An account that moves: what is asked for its export, and commands that only an import needs (XEP-0227)."""
