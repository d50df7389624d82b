"""
What operators do to a running cluster over HTTP, behind the administrator's token.

    GET  /admin/v1/cluster/nodes      → {"nodes": [{"id", "http_url"}]}: where each node is reached, this one first
    POST /admin/v1/cluster/transfer   {"to": NODE or null} → 202: the leader was asked; `GET /admin/v1/cluster` tells
    POST /admin/v1/reload             → {"changed": ["tls", ...]}: this node has read its settings again
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.base.errors import ConfigError
from raftline.web.admin import Endpoint
from raftline.web.replies import BadRequest, json_reply, read_body


class Transfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a transfer; without a node the leader chooses."""

    to: int | None = None


@dataclass(frozen=True, slots=True)
class Operations:
    """
    The endpoints.

    Attributes:
        node_ids: Returns all nodes of the cluster.
        transfer: Asks the leader to hand over; raises Unavailable when nobody can be asked.
        http_urls: Returns where the HTTP listener of each node is, this node's first; without those that tell none.
        reload: Reads the settings again and returns what changed; raises ConfigError, and then all is as before.
    """

    node_ids: Callable[[], frozenset[int]]
    transfer: Callable[[int | None], None]
    reload: Callable[[], list[str]]
    http_urls: Callable[[], list[tuple[int, str]]]

    def routes(self, guard: Callable[[Endpoint], Endpoint]) -> list[Route]:
        """Return all routes, each behind the guard."""
        return [
            Route("/admin/v1/cluster/nodes", guard(self.list_nodes), methods=["GET"]),
            Route("/admin/v1/cluster/transfer", guard(self.transfer_leadership), methods=["POST"]),
            Route("/admin/v1/reload", guard(self.reload_settings), methods=["POST"]),
        ]

    async def list_nodes(self, _request: Request) -> Response:
        """Tell where the nodes are, for tools that go on when the one they ask dies."""
        return json_reply({"nodes": [{"id": node_id, "http_url": url} for node_id, url in self.http_urls()]})

    async def transfer_leadership(self, request: Request) -> Response:
        """Have another node lead."""
        target = (await read_body(request, Transfer)).to
        if target is not None and target not in self.node_ids():
            raise BadRequest(404, "item-not-found", f"There is no node {target}.")
        self.transfer(target)
        return json_reply({"to": target}, 202)

    async def reload_settings(self, _request: Request) -> Response:
        """Read the settings again."""
        try:
            changed = self.reload()
        except ConfigError as error:
            raise BadRequest(409, "not-acceptable", f"{error}. The settings stay as they were.") from error
        return json_reply({"changed": changed})
