"""
What the service holds, over HTTP, behind the administrator's token.

    GET /admin/v1/overview                       {"accounts", "online", "rooms"}
    GET /admin/v1/media                          {"files", "bytes", "is_complete"}
    GET /admin/v1/rooms?after=NAME&limit=N       {"rooms": [{"name", "jid", "title", "people"}], "next", "total"}
    GET /admin/v1/media/accounts?after=…&limit=N {"accounts": [{"name", "files", "bytes"}], "next"}

Rooms are those that anyone may find. Files are counted over at most `FILE_PAGE_COUNT_MAX` pages; `is_complete` says
whether these were all. Reads pass a read barrier first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.base.limits import STORED_FILE_PAGE_ROW_COUNT_MAX
from raftline.machine.media.queries import StoredFiles, UploadUseOf
from raftline.machine.media.tables import StoredFile, UploadUse
from raftline.machine.queries import AccountCounts, AccountRow, Counts, ListAccounts
from raftline.machine.rooms.queries import PeopleIn, PublicRooms
from raftline.machine.rooms.views import OccupantView, RoomNames
from raftline.node.door import Node
from raftline.web.admin import Admin, page_limit
from raftline.web.replies import json_reply

FILE_PAGE_COUNT_MAX: Final = 40
ROOM_PAGE_MAX: Final = 100
ACCOUNT_PAGE_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Overview:
    """The endpoints."""

    admin: Admin

    @property
    def _node(self) -> Node:
        return self.admin.node

    def routes(self) -> list[Route]:
        """Return all routes, each behind the token."""
        guard = self.admin.guarded
        return [
            Route("/admin/v1/overview", guard(self.totals), methods=["GET"]),
            Route("/admin/v1/rooms", guard(self.rooms), methods=["GET"]),
            Route("/admin/v1/media", guard(self.media), methods=["GET"]),
            Route("/admin/v1/media/accounts", guard(self.media_accounts), methods=["GET"]),
        ]

    async def totals(self, _request: Request) -> Response:
        """Count accounts and rooms."""
        await self._node.barrier()
        counts = cast("Counts", await self._node.ask(AccountCounts()))
        rooms = cast("RoomNames", await self._node.ask(PublicRooms(limit=1)))
        return json_reply({"accounts": counts.accounts, "online": counts.online, "rooms": rooms.total})

    async def media(self, _request: Request) -> Response:
        """Count files."""
        await self._node.barrier()
        files, size, is_complete = await self._count_files()
        return json_reply({"files": files, "bytes": size, "is_complete": is_complete})

    async def _count_files(self) -> tuple[int, int, bool]:
        """Return how many files there are, their bytes, and whether these are all; a page at a time."""
        count = size = 0
        after = b""
        for _ in range(FILE_PAGE_COUNT_MAX):
            page = cast("list[StoredFile]", await self._node.ask(StoredFiles(after, STORED_FILE_PAGE_ROW_COUNT_MAX)))
            count += len(page)
            size += sum(file.size for file in page)
            if len(page) < STORED_FILE_PAGE_ROW_COUNT_MAX:
                return count, size, True
            after = page[-1].digest
        return count, size, False

    async def rooms(self, request: Request) -> Response:
        """List rooms by name, a page at a time, with how many people are in each."""
        limit = page_limit(request, ROOM_PAGE_MAX)
        after = request.query_params.get("after", "")
        await self._node.barrier()
        page = cast("RoomNames", await self._node.ask(PublicRooms(after=after, limit=limit + 1)))
        rooms = []
        for room in page.rooms[:limit]:
            people = cast("list[OccupantView]", await self._node.ask(PeopleIn(room.name)))
            jid = f"{room.name}@conference.{self._node.domain}"
            rooms.append({"name": room.name, "jid": jid, "title": room.title, "people": len(people)})
        following = page.rooms[limit - 1].name if len(page.rooms) > limit else None
        return json_reply({"rooms": rooms, "next": following, "total": page.total})

    async def media_accounts(self, request: Request) -> Response:
        """List what accounts have of their quotas for files, by name, a page at a time."""
        limit = page_limit(request, ACCOUNT_PAGE_MAX)
        after = request.query_params.get("after", "")
        await self._node.barrier()
        rows = cast("list[AccountRow]", await self._node.ask(ListAccounts(after=after, limit=limit + 1)))
        accounts = []
        for row in rows[:limit]:
            use = cast("UploadUse | None", await self._node.ask(UploadUseOf(row.localpart)))
            files, size = (0, 0) if use is None else (use.file_count, use.size)
            accounts.append({"name": row.localpart, "files": files, "bytes": size})
        following = rows[limit - 1].localpart if len(rows) > limit else None
        return json_reply({"accounts": accounts, "next": following})
