"""Invitations of people: to open an account, and to become the contact of who invited them (XEP-0401, 0445, 0379)."""
