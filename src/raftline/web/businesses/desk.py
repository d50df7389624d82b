"""What all requests about businesses share: who asks, what is meant by an id, and how commands are carried out."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Final, cast

import msgspec
from starlette.requests import Request

from raftline.base.business_limits import BUSINESS_SECRET_SIZE
from raftline.base.errors import Refused
from raftline.machine.business.commands import BusinessAction
from raftline.machine.business.ids import GraphKind, parse_graph_id
from raftline.machine.business.queries import AppNamed, TokenAccess
from raftline.machine.business.values import AppView, Created, TokenView
from raftline.machine.outcomes import Rejected
from raftline.node.door import Node
from raftline.web.admin import Admin
from raftline.web.cloud.errors import GraphError
from raftline.web.repeatable import repeatable
from raftline.web.replies import BadRequest, require_done

_TOKEN_BYTES: Final = 32

Challenge = Callable[[str, str], Awaitable[None]]
"""Asks the receiver at an address whether it expects us, by its verify token; raises GraphError when it does not."""

_SENTENCES: Final = {
    "conflict": "This name or number is taken.",
    "item-not-found": "There is no such thing, or no more.",
    "not-acceptable": "A value is too long, or cannot be.",
    "resource-constraint": "There are as many of these as there can be.",
}

_NAMES: Final = {
    GraphKind.APP: "application",
    GraphKind.BUSINESS: "business",
    GraphKind.NUMBER: "number",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """
    Where requests about businesses are dealt with.

    Attributes:
        wall_ms: The wall clock: tokens expire by cluster time, which is near it.
        challenge: Verifies the receiver of a callback before it is set.
    """

    admin: Admin
    wall_ms: Callable[[], int]
    challenge: Challenge

    @property
    def node(self) -> Node:
        """The system."""
        return self.admin.node

    async def carry_out(self, request: Request, action: BusinessAction) -> Created | None:
        """
        Carry a command out once under the request's key; what it made, if it makes something.

        Raises:
            Refused, BadRequest: The state machine said no.
            Unavailable, OutcomeUnknown: As door.Node.execute.
        """
        outcome = await self.node.execute(action, key=self._key(request))
        if isinstance(outcome, Rejected):
            text = outcome.text or _SENTENCES.get(outcome.condition, "")
            if outcome.condition == "resource-constraint":  # another node cannot do it either
                raise BadRequest(409, outcome.condition, text)
            raise Refused(outcome.condition, outcome.kind, text)
        result = require_done(outcome).result
        return result if isinstance(result, Created) else None

    async def make(self, request: Request, action: BusinessAction) -> Created:
        """Carry out a command that makes something, as `carry_out`."""
        created = await self.carry_out(request, action)
        assert created is not None, action
        return created

    def secret_for(self, request: Request, body: msgspec.Struct | None = None) -> bytes:
        """Return an application's secret; the same for a repeat of the request."""
        return self._draw(request, body, b"raftline-appsecr", BUSINESS_SECRET_SIZE)

    def token_for(self, request: Request, body: msgspec.Struct) -> str:
        """Return a token, which one knows by its first letters; the same for a repeat of the request."""
        drawn = self._draw(request, body, b"raftline-apptokn", _TOKEN_BYTES)
        return "RL" + urlsafe_b64encode(drawn).decode().rstrip("=")

    def _draw(self, request: Request, body: msgspec.Struct | None, purpose: bytes, size: int) -> bytes:
        # Of the body as well: another request under the same key must not be told the first one's secrets.
        content = b"" if body is None else msgspec.json.encode(body)
        key = blake2b(self._key(request) + content, digest_size=32).digest()
        return repeatable(key, self.admin.token, purpose, size)

    def _key(self, request: Request) -> bytes:
        """Return the key of a request; the same one each time, also when it was drawn."""
        if not hasattr(request.state, "key"):
            request.state.key = self.admin.key_of(request)
        return cast("bytes", request.state.key)

    def expiry_ms(self, lifetime_s: int | None) -> int:
        """Return the cluster time at which something ends that is good for so long; 0 for never."""
        return 0 if lifetime_s is None else self.wall_ms() + lifetime_s * 1000

    async def verify(self, url: str, verify_token: str) -> None:
        """
        Return once the receiver of a callback has shown that it expects us.

        Raises:
            Refused: It does not, or cannot be reached.
        """
        try:
            await self.challenge(url, verify_token)
        except GraphError as error:
            raise Refused("not-acceptable", "modify", error.details) from error

    async def token_view(self, token: str) -> TokenView | None:
        """Return whom a token speaks for, as far as this node knows."""
        return cast("TokenView | None", await self.node.ask(TokenAccess(digest_of(token))))

    async def require_token(self, token: str) -> TokenView:
        """
        Return whom a new token speaks for.

        Raises:
            BadRequest: The token is not there, so the key of the request was used for another one.
        """
        view = await self.token_view(token)
        if view is None:
            raise used_key()
        return view

    async def app(self, request: Request) -> AppView:
        """
        Return the application that the path names, after a read barrier.

        Raises:
            BadRequest: There is none.
        """
        app_id = id_in_path(request, GraphKind.APP)
        await self.node.barrier()
        return await self.app_by_id(app_id)

    async def app_by_id(self, app_id: int) -> AppView:
        """Return an application, as far as this node knows; raises as `app`."""
        view = cast("AppView | None", await self.node.ask(AppNamed(app_id)))
        if view is None:
            raise no_such(GraphKind.APP)
        return view


def actor_of(request: Request) -> str:
    """Return who asks, for the audit trail."""
    return cast("str", request.state.actor)


def digest_of(token: str) -> bytes:
    """Return what the log keeps of a token."""
    return sha256(token.encode()).digest()


def id_in_path(request: Request, kind: GraphKind) -> int:
    """
    Return the number that the id in the path stands for.

    Raises:
        BadRequest: It is no id of this kind.
    """
    found = parse_graph_id(request.path_params["id"])
    if found is None or found[0] is not kind:
        raise no_such(kind)
    return found[1]


def id_in_query(request: Request, name: str, kind: GraphKind) -> int:
    """
    Return the number that an id in the query stands for; 0 without one.

    Raises:
        BadRequest: It is no id of this kind.
    """
    text = request.query_params.get(name, "")
    found = parse_graph_id(text)
    if text and (found is None or found[0] is not kind):
        raise BadRequest(400, "bad-request", f"{name} must be the id of a {_NAMES[kind]}.")
    return 0 if found is None else found[1]


def no_such(kind: GraphKind) -> BadRequest:
    """Return the refusal of an id that names nothing."""
    return BadRequest(404, "item-not-found", f"There is no such {_NAMES[kind]}.")


def used_key() -> BadRequest:
    """Return the refusal of a key that was used before: what it made is not what is asked for."""
    text = "This Idempotency-Key was used for another request, or what it made is changed or gone; take a new one."
    return BadRequest(409, "conflict", text)
