"""Looking components up: by label, by address, by session."""

from __future__ import annotations

from typing import Final

from raftline.machine.components.tables import Component
from raftline.machine.context import Context
from raftline.machine.records import Session

SESSION_MARK: Final = "@"
"""In front of the label it makes the local part of a component's session, which no account has."""


def session_of(context: Context, component: Component) -> Session | None:
    """Return the session of a component's connection; None while nobody holds it."""
    return next(iter(context.session_index.of(component.owner_id)), None)


def component_of(context: Context, session: Session) -> Component | None:
    """Return the component that a session is of; None for one of an account."""
    mark, label = session.localpart[:1], session.localpart[1:]
    return context.components.get(label) if mark == SESSION_MARK else None
