"""
Administration over HTTP, `/admin/v1`: accounts and the state of the cluster. Every request carries the bearer token.

    GET    /admin/v1/users?after=NAME&limit=N   see below
    POST   /admin/v1/users                      {"username", "password"} → 201 {"jid"}
    PUT    /admin/v1/users/NAME/password        {"password"} → 204
    DELETE /admin/v1/users/NAME                 204
    GET    /admin/v1/cluster                    as `raftline cluster status --json` prints it

A page of users is `{"users": [{"name", "jid", "created_ms", "session_count", "inviter"}], "next"}`; `inviter` is the
name of the account that invited this one, or null (invitations.py).

Reads pass a read barrier first, so they see all that was acknowledged anywhere before. Changes take the header
`Idempotency-Key`: repeated under the same key they happen once, and the repeat gets the first answer.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.machine.commands import CreateAccount, DeleteAccount, SetCredentials
from raftline.machine.queries import AccountRow, ListAccounts
from raftline.node.door import Node
from raftline.web.accounts import Derive, command_key, derive, prepare_username
from raftline.web.replies import BadRequest, json_reply, read_body, require_done

PAGE_MAX: Final = 1_000
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
IDEMPOTENCY_KEY_CHARACTERS_MAX: Final = 255

Status = Callable[[], Awaitable[object]]
"""Gathers the state of the cluster: a value that encodes to the JSON of `raftline cluster status --json`."""

Endpoint = Callable[[Request], Awaitable[Response]]


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of account creation."""

    username: str
    password: str


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a password change."""

    password: str


@dataclass(frozen=True, slots=True)
class Admin:
    """
    The endpoints of `/admin/v1`.

    Attributes:
        page_url: Where browsers reach this node by HTTPS; empty for nowhere.
        console_actor: Who shows a bearer token that is not the administrator's and yet as good, a pass of the
            console: `console NAME`, or `console`; empty when it is none.
    """

    node: Node
    token: str
    status: Status
    derive_credentials: Derive
    entropy: Callable[[int], bytes]
    page_url: str = ""
    console_actor: Callable[[str], str] = lambda _shown: ""

    def routes(self) -> list[Route]:
        """Return all routes, each behind the token."""
        guard = self.guarded
        return [
            Route("/admin/v1/users", guard(self.list_users), methods=["GET"]),
            Route("/admin/v1/users", guard(self.create_user), methods=["POST"]),
            Route("/admin/v1/users/{name}/password", guard(self.set_password), methods=["PUT"]),
            Route("/admin/v1/users/{name}", guard(self.delete_user), methods=["DELETE"]),
            Route("/admin/v1/cluster", guard(self.show_cluster), methods=["GET"]),
        ]

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """Put an endpoint behind the token; `request.state.actor` tells it who asks."""

        async def check_token(request: Request) -> Response:
            scheme, _, shown = request.headers.get("authorization", "").partition(" ")
            shown = shown.strip()
            is_token = hmac.compare_digest(shown.encode(), self.token.encode())
            actor = "admin" if is_token else self.console_actor(shown)
            if scheme.lower() != "bearer" or not actor:
                raise BadRequest(
                    401,
                    "not-authorized",
                    "This needs the administrator's token (Authorization: Bearer TOKEN).",
                    {"WWW-Authenticate": 'Bearer realm="raftline"'},
                )
            request.state.actor = actor
            return await endpoint(request)

        return check_token

    async def list_users(self, request: Request) -> Response:
        """List accounts by name, a page at a time."""
        limit = page_limit(request)
        after = request.query_params.get("after", "")
        await self.node.barrier()
        rows = cast("list[AccountRow]", await self.node.ask(ListAccounts(after=after, limit=limit + 1)))
        users = [
            {
                "name": row.localpart,
                "jid": f"{row.localpart}@{self.node.domain}",
                "created_ms": row.created_ms,
                "session_count": row.session_count,
                "inviter": row.inviter or None,
            }
            for row in rows[:limit]
        ]
        return json_reply({"users": users, "next": rows[limit - 1].localpart if len(rows) > limit else None})

    async def create_user(self, request: Request) -> Response:
        """Create an account."""
        body = await read_body(request, NewUser)
        localpart = prepare_username(body.username, self.node.domain)
        credentials = await derive(body.password, self.derive_credentials)
        await self._execute(request, CreateAccount(localpart, credentials))
        return json_reply({"jid": f"{localpart}@{self.node.domain}"}, 201)

    async def set_password(self, request: Request) -> Response:
        """Replace the credentials of an account."""
        body = await read_body(request, NewPassword)
        localpart = prepare_username(request.path_params["name"], self.node.domain)
        credentials = await derive(body.password, self.derive_credentials)
        await self._execute(request, SetCredentials(localpart, credentials))
        return Response(status_code=204)

    async def delete_user(self, request: Request) -> Response:
        """Delete an account with all that belongs to it."""
        await self._execute(request, DeleteAccount(prepare_username(request.path_params["name"], self.node.domain)))
        return Response(status_code=204)

    async def show_cluster(self, _request: Request) -> Response:
        """Show the state of all nodes, as far as they answer."""
        return json_reply(await self.status())

    def key_of(self, request: Request) -> bytes:
        """
        Return the key under which a request takes effect once.

        Raises:
            BadRequest: Its idempotency key is too long.
        """
        header = request.headers.get(IDEMPOTENCY_HEADER)
        if header is not None and len(header) > IDEMPOTENCY_KEY_CHARACTERS_MAX:
            raise BadRequest(
                400, "bad-request", f"{IDEMPOTENCY_HEADER} is longer than {IDEMPOTENCY_KEY_CHARACTERS_MAX} characters."
            )
        return command_key(header, f"{request.method} {request.url.path}", self.entropy)

    async def _execute(self, request: Request, action: CreateAccount | SetCredentials | DeleteAccount) -> None:
        require_done(await self.node.execute(action, key=self.key_of(request)))


def page_limit(request: Request, greatest: int = PAGE_MAX) -> int:
    """
    Return how many rows a page is to have, 100 when it is not said.

    Raises:
        BadRequest: It is no number from 1 to `greatest`.
    """
    text = request.query_params.get("limit", "100")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= greatest):
        raise BadRequest(400, "bad-request", f"limit must be a number from 1 to {greatest}.")
    return int(text)
