"""The cluster console: a page for administrators, and what it shows."""
