"""
Uploaded files over HTTP (XEP-0363), as an ASGI application: `/upload/TOKEN/NAME` on every node.

    PUT ── slot known? as announced? ──▶ draft, chunk by chunk ──▶ durable on a majority ──▶ StoreUpload ──▶ 201
    GET ── file known? ──▶ here, or fetched from a node that has it ──▶ 200 or 206, chunk by chunk

    GET …?thumbnail ── its small picture, like a file       GET …?metadata ── what is known of it (docs/media.md)

| status | when |
| --- | --- |
| 201 | the file is on a majority of the nodes, and each node knows of it; also when the same bytes come again |
| 400, 411, 413 | fewer bytes than announced to the slot, no length, more |
| 404, 410, 409 | no such slot, its time is over, it has another file |
| 415 | another type than announced, or one that is not taken |
| 408 | the client sent nothing for a while |
| 503, 507 | no majority, or too much at once: again, or at another node; no space |

Whoever gets no answer, or 503, sends the same again: a slot takes one file, however often it comes. A slot is looked up
behind a read barrier, since another node may have opened it a moment ago; a file is looked up at once, and behind a
barrier only if this node does not know it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from raftline.gateway.uploads.lookup import Disconnected, address_of
from raftline.gateway.uploads.putting import Putting
from raftline.gateway.uploads.reading import Reading
from raftline.gateway.uploads.replies import CORS, ISOLATION, PREFLIGHT, refuse, reply
from raftline.node.intake import IDLE_SECONDS, Refusal
from raftline.xmpp.upload_addresses import METADATA_QUERY, THUMBNAIL_QUERY

if TYPE_CHECKING:
    from raftline.gateway.websocket import Receive, Scope, Send
    from raftline.node.door import Node


class UploadEndpoint:
    """
    An ASGI application for scopes of type `http`.

    Args:
        wall_ms: As for `Reading`.
        refused_types, idle_seconds: As for `Putting`.
        base_url: Returns what addresses of files begin with, as in UploadService.
    """

    def __init__(
        self,
        node: Node,
        *,
        wall_ms: Callable[[], int],
        base_url: Callable[[], str],
        refused_types: tuple[str, ...] = (),
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._putting = Putting(node, refused_types, idle_seconds)
        self._reading = Reading(node, wall_ms, base_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        assert scope["type"] == "http", "the router sends nothing else"
        method = scope["method"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        try:
            if method == "OPTIONS":
                await reply(send, 204, PREFLIGHT)
            elif method == "PUT":
                await self._putting.put(address_of(scope["path"]), headers, receive)
                await reply(send, 201, [(b"cache-control", b"no-store"), *ISOLATION, *CORS])
            elif method in {"GET", "HEAD"}:
                address, is_head = address_of(scope["path"]), method == "HEAD"
                wanted, _, form = scope.get("query_string", b"").decode("latin-1").partition("=")
                if wanted == METADATA_QUERY:
                    await self._reading.get_metadata(address, send, is_json=form == "json", is_head=is_head)
                else:
                    is_thumbnail = wanted == THUMBNAIL_QUERY
                    await self._reading.get(address, headers, receive, send, is_head=is_head, is_thumbnail=is_thumbnail)
            else:
                await refuse(send, Refusal(405, "not-allowed", "Files are put and read here."))
        except Disconnected:
            return
        except Refusal as refusal:
            await refuse(send, refusal, with_body=method != "HEAD")
