"""
How long the installation keeps what it keeps, over HTTP, behind the administrator's token.

    GET /admin/v1/retention    → {"account_archives_days": 30, "room_archives_days": 0, …}; 0 is for ever
    PUT /admin/v1/retention    {"uploads_days": 90} → as GET; what is not named stays as it is

For accounts that were deleted 0 means that what is left of them goes at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.base.limits import RETENTION_AGE_MAX_MS
from raftline.machine.retention.commands import RetentionLimit, SetRetention
from raftline.machine.retention.queries import RetentionRules
from raftline.machine.retention.rules import KINDS
from raftline.machine.retention.tables import RetentionRule
from raftline.node.door import Node
from raftline.web.admin import Endpoint
from raftline.web.replies import json_reply, read_body, require_done

DAY_MS: Final = 24 * 60 * 60 * 1000
Days = Annotated[int, Meta(ge=0, le=RETENTION_AGE_MAX_MS // DAY_MS)] | None


class RetentionDays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days of each kind; in a request None leaves it as it is."""

    account_archives_days: Days = None
    room_archives_days: Days = None
    uploads_days: Days = None
    reports_days: Days = None
    deleted_accounts_days: Days = None


@dataclass(frozen=True, slots=True)
class Retention:
    """The endpoints."""

    node: Node

    def routes(self, guard: Callable[[Endpoint], Endpoint]) -> list[Route]:
        """Return all routes, each behind the guard."""
        return [
            Route("/admin/v1/retention", guard(self.show), methods=["GET"]),
            Route("/admin/v1/retention", guard(self.change), methods=["PUT"]),
        ]

    async def show(self, _request: Request) -> Response:
        """Tell the limits."""
        await self.node.barrier()
        return json_reply(await self._days())

    async def change(self, request: Request) -> Response:
        """Set those limits that are named."""
        wanted = await read_body(request, RetentionDays)
        named = ((kind, getattr(wanted, _field_of(kind))) for kind in KINDS)
        limits = tuple(RetentionLimit(kind, days * DAY_MS) for kind, days in named if days is not None)
        require_done(await self.node.execute(SetRetention(limits)))
        return json_reply(await self._days())

    async def _days(self) -> RetentionDays:
        rules = await self.node.ask(RetentionRules())
        assert isinstance(rules, list)
        ages_ms = {rule.kind: rule.age_ms for rule in rules if isinstance(rule, RetentionRule)}
        return RetentionDays(**{_field_of(kind): ages_ms.get(kind, 0) // DAY_MS for kind in KINDS})


def _field_of(kind: str) -> str:
    return f"{kind.replace('-', '_')}_days"
