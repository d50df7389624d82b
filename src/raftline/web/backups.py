"""
A backup of the whole cluster over HTTP, from any node, behind the administrator's token.

    POST   /admin/v1/backups                              201 as below: this node begins to copy its state
    GET    /admin/v1/backups/NAME                         {"name", "state", "reason", "copied_bytes", "expected_bytes",
                                                           "is_current", "header"}
    GET    /admin/v1/backups/NAME/parts/PART?offset=N&size=N   the bytes, at most 1 MiB at once
    DELETE /admin/v1/backups/NAME                         204: it is not needed any more

`state` is `copying`, `ready` (then there is a `header`, as the file begins with) or `failed`. `is_current` says that
what was acknowledged anywhere before the request is part of it; without a majority it cannot be told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.web.admin import Endpoint
from raftline.web.replies import BadRequest, json_reply

_DIGITS_MAX: Final = 18


@dataclass(frozen=True, slots=True)
class BackupEndpoints:
    """
    The endpoints. All but `begin` raise Refused with `item-not-found` where there is no such backup.

    Attributes:
        begin: Begins a backup and returns what is told of it; raises Refused when that cannot be now.
        look: Returns what is told of it.
        chunk: Returns bytes of a part, by name of the backup, name of the part, offset and size.
        end: Removes it.
    """

    begin: Callable[[], Awaitable[object]]
    look: Callable[[str], object]
    chunk: Callable[[str, str, int, int], Awaitable[bytes]]
    end: Callable[[str], Awaitable[None]]

    def routes(self, guard: Callable[[Endpoint], Endpoint]) -> list[Route]:
        """Return all routes, each behind the guard."""
        return [
            Route("/admin/v1/backups", guard(self.begin_backup), methods=["POST"]),
            Route("/admin/v1/backups/{name}", guard(self.show_backup), methods=["GET"]),
            Route("/admin/v1/backups/{name}", guard(self.end_backup), methods=["DELETE"]),
            Route("/admin/v1/backups/{name}/parts/{part:path}", guard(self.read_part), methods=["GET"]),
        ]

    async def begin_backup(self, _request: Request) -> Response:
        """Begin one."""
        return json_reply(await self.begin(), 201)

    async def show_backup(self, request: Request) -> Response:
        """Tell how far it has come."""
        return json_reply(self.look(request.path_params["name"]))

    async def end_backup(self, request: Request) -> Response:
        """Remove it."""
        await self.end(request.path_params["name"])
        return Response(status_code=204)

    async def read_part(self, request: Request) -> Response:
        """Hand out bytes."""
        offset, size = (_number(request, name) for name in ("offset", "size"))
        data = await self.chunk(request.path_params["name"], request.path_params["part"], offset, size)
        return Response(data, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise BadRequest(400, "bad-request", f"{name} must be a number of bytes.")
    return int(text)
