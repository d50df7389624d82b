"""
Who belongs to the cluster, over HTTP, behind the administrator's token.

    POST   /admin/v1/cluster/invitations        {"replaces": NODE or null, "lifetime_s": N} → 201, see `Invitation`
    DELETE /admin/v1/cluster/nodes/NODE         202: the removal has begun; `GET /admin/v1/cluster` tells
    POST   /admin/v1/cluster/nodes/NODE/drain   {"drained": true or false} → 202
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.web.admin import Endpoint
from raftline.web.replies import BadRequest, json_reply, read_body

LIFETIME_S_DEFAULT = 3_600

NODE_ID_DIGITS_MAX = 5
"""Of 65535; more are no node's, and too many more would not even be read as a number."""


class NewInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an invitation."""

    replaces: int | None = None
    lifetime_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = LIFETIME_S_DEFAULT


class NewDrain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a drain."""

    drained: bool


class InvitingNode(msgspec.Struct, frozen=True):
    """A member that a new node may ask."""

    node_id: int
    host: str
    port: int
    fingerprint: str
    http_url: str
    xmpp_address: str


class Invitation(msgspec.Struct, frozen=True):
    """
    What a new node needs.

    Attributes:
        node_id: The id it is to have; its peer certificate names it.
        token: Good once; hexadecimal.
        members: Whom to ask.
    """

    node_id: int
    token: str
    cluster_id: str
    epoch: int
    domain: str
    members: tuple[InvitingNode, ...]


@dataclass(frozen=True, slots=True)
class Membership:
    """
    The endpoints. What cannot be done is raised as Refused, what cannot be done now as Unavailable.

    Attributes:
        invite: Takes whom the new node replaces, and how long its token is good, in milliseconds.
        remove: Begins to remove a node.
        drain: Has a node serve no clients, or serve them again.
    """

    node_ids: Callable[[], frozenset[int]]
    invite: Callable[[int | None, int], Awaitable[Invitation]]
    remove: Callable[[int], Awaitable[None]]
    drain: Callable[[int, bool], None]

    def routes(self, guard: Callable[[Endpoint], Endpoint]) -> list[Route]:
        """Return all routes, each behind the guard."""
        return [
            Route("/admin/v1/cluster/invitations", guard(self.create_invitation), methods=["POST"]),
            Route("/admin/v1/cluster/nodes/{node}", guard(self.remove_node), methods=["DELETE"]),
            Route("/admin/v1/cluster/nodes/{node}/drain", guard(self.drain_node), methods=["POST"]),
        ]

    async def create_invitation(self, request: Request) -> Response:
        """Let one new node join."""
        body = await read_body(request, NewInvitation)
        return json_reply(await self.invite(body.replaces, body.lifetime_s * 1000), 201)

    async def remove_node(self, request: Request) -> Response:
        """Begin to remove a node."""
        node_id = self._node_of(request)
        await self.remove(node_id)
        return json_reply({"removed": node_id}, 202)

    async def drain_node(self, request: Request) -> Response:
        """Have a node serve no clients, or serve them again."""
        node_id = self._node_of(request)
        body = await read_body(request, NewDrain)
        self.drain(node_id, body.drained)
        return json_reply({"node": node_id, "drained": body.drained}, 202)

    def _node_of(self, request: Request) -> int:
        text = request.path_params["node"]
        is_number = text.isascii() and text.isdigit() and len(text) <= NODE_ID_DIGITS_MAX
        if not is_number or int(text) not in self.node_ids():
            raise BadRequest(404, "item-not-found", f"There is no node {text}.")
        return int(text)
