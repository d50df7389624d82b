"""A component's stream (XEP-0114) and what comes on it; the users' side is xeps/xep_0114_components.py."""
