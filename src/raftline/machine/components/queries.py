"""Questions about components."""

from __future__ import annotations

from raftline.machine.queries import Query


class ComponentAt(Query, frozen=True, array_like=True, tag=110):
    """Answer: `SessionRow | None`, the session of the component's connection; None while it has none."""

    label: str
