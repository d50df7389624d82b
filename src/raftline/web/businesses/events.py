"""Endpoints of dead letters and of the audit trail; see the head of this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.base.business_limits import DEAD_LETTER_ROUND_COUNT_MAX, SETTLED_EVENT_COUNT_MAX
from raftline.base.ids import Position
from raftline.machine.business.commands import DiscardEvents, ReplayEvents
from raftline.machine.business.ids import GraphKind
from raftline.machine.business.queries import BusinessAudit, DeadEvents
from raftline.machine.business.tables import AuditLine
from raftline.machine.business.values import EventView
from raftline.web.admin import page_limit
from raftline.web.businesses.bodies import DeadLetters, parse_event_id
from raftline.web.businesses.desk import Desk, actor_of, id_in_query
from raftline.web.businesses.views import (
    AuditPage,
    DeadLetterPage,
    DeadLettersLeft,
    show_audit_line,
    show_dead_letter,
)
from raftline.web.replies import BadRequest, json_reply, read_body, require_done

PAGE_MAX: Final = 500
_POSITION_DIGITS_MAX: Final = 18


@dataclass(frozen=True, slots=True)
class Events:
    """The endpoints."""

    desk: Desk

    def routes(self) -> list[Route]:
        """Return all routes, each behind the token."""
        guard = self.desk.admin.guarded
        letters = "/admin/v1/apps/{id}/dead-letters"
        return [
            Route(letters, guard(self.list_dead), methods=["GET"]),
            Route(letters, guard(self.discard_all), methods=["DELETE"]),
            Route(f"{letters}/replay", guard(self.replay), methods=["POST"]),
            Route(f"{letters}/{{letter}}", guard(self.discard_one), methods=["DELETE"]),
            Route("/admin/v1/business-audit", guard(self.audit), methods=["GET"]),
        ]

    async def list_dead(self, request: Request) -> Response:
        """List dead letters, the oldest first, a page at a time."""
        limit = page_limit(request, PAGE_MAX)
        text = request.query_params.get("after")
        after = (0, 0) if text is None else parse_event_id(text)
        if after is None:
            raise BadRequest(400, "bad-request", "after must be the id of a dead letter.")
        view = await self.desk.app(request)
        app, node = view.app, self.desk.node
        found = cast("list[EventView]", await node.ask(DeadEvents(app.app_id, after, limit + 1)))
        shown = [show_dead_letter(event, view.callbacks, app.business_id, node.epochs) for event in found[:limit]]
        return json_reply(DeadLetterPage(shown, shown[-1].id if len(found) > limit else None))

    async def replay(self, request: Request) -> Response:
        """Let dead letters wait for their receiver again, as long as new events do."""
        view = await self.desk.app(request)
        body = await read_body(request, DeadLetters)
        app_id, actor = view.app.app_id, actor_of(request)
        if body.ids is None:
            return await self._in_rounds(app_id, ReplayEvents(app_id, actor))
        keys = tuple((Position(key[0]), key[1]) for key in map(parse_event_id, body.ids) if key is not None)
        await self.desk.carry_out(request, ReplayEvents(app_id, actor, keys))
        return await self._left(app_id)

    async def discard_all(self, request: Request) -> Response:
        """Forget all dead letters."""
        view = await self.desk.app(request)
        return await self._in_rounds(view.app.app_id, DiscardEvents(view.app.app_id, actor_of(request)))

    async def discard_one(self, request: Request) -> Response:
        """Forget a dead letter."""
        view = await self.desk.app(request)
        app_id, key = view.app.app_id, parse_event_id(request.path_params["letter"])
        if key is None or not await self._is_dead(app_id, key):
            raise BadRequest(404, "item-not-found", "The application has no such dead letter.")
        action = DiscardEvents(app_id, actor_of(request), ((Position(key[0]), key[1]),))
        await self.desk.carry_out(request, action)
        return Response(status_code=204)

    async def audit(self, request: Request) -> Response:
        """List who changed what, the latest first, a page at a time; of one business, or of all."""
        limit = page_limit(request, PAGE_MAX)
        business_id = id_in_query(request, "business", GraphKind.BUSINESS)
        text = request.query_params.get("before")
        if text is not None and not (text.isascii() and text.isdigit() and len(text) <= _POSITION_DIGITS_MAX):
            raise BadRequest(400, "bad-request", "before must be the id of a line.")
        before = None if text is None else Position(int(text))
        node = self.desk.node
        await node.barrier()
        found = cast("list[AuditLine]", await node.ask(BusinessAudit(business_id, before, limit + 1)))
        shown = [show_audit_line(line) for line in found[:limit]]
        return json_reply(AuditPage(shown, shown[-1].id if len(found) > limit else None))

    async def _is_dead(self, app_id: int, key: tuple[int, int]) -> bool:
        before = (key[0], key[1] - 1) if key[1] else (key[0] - 1, (1 << 62))
        found = cast("list[EventView]", await self.desk.node.ask(DeadEvents(app_id, before, 1)))
        return bool(found) and (found[0].event.position, found[0].event.ordinal) == key

    async def _in_rounds(self, app_id: int, action: ReplayEvents | DiscardEvents) -> Response:
        """Carry a command out as often as it needs for all; each takes the oldest ones, so a repeat goes on."""
        left = (await self.desk.app_by_id(app_id)).dead_count
        for _ in range(min(DEAD_LETTER_ROUND_COUNT_MAX, -(-left // SETTLED_EVENT_COUNT_MAX))):
            require_done(await self.desk.node.execute(action))
        return await self._left(app_id)

    async def _left(self, app_id: int) -> Response:
        return json_reply(DeadLettersLeft((await self.desk.app_by_id(app_id)).dead_count))
