"""Settings of all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long something takes says how busy the machine is, and is no property of ours.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
