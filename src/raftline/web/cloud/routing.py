"""
Paths under `/vN.N/`: what the first segment names, and the rest, choose an endpoint from a table (call.py).

The first digit of an id tells what it names (machine/business/ids.py), so no state is asked to find the endpoint. Any
version is served alike, and a `/` at the end changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from raftline.base.cloud_limits import CLOUD_PATH_PART_COUNT_MAX
from raftline.machine.business.ids import parse_graph_id, parse_group_id, parse_media_id
from raftline.web.cloud.access import admit, find_number, require_app, require_business, require_scope, shown_token
from raftline.web.cloud.call import ANY, Call, Edge, Endpoint, Subject
from raftline.web.cloud.errors import (
    Code,
    GraphError,
    error_reply,
    graph_error,
    unavailable,
    unknown_object,
)

_VERSIONED: Final = re.compile(r"/(v[0-9]{1,3}(?:\.[0-9]{1,3})?)(?:/|$)")
_UPLOAD: Final = "upload:"
_TRACE_BYTES: Final = 8


class Cloud:
    """The Cloud API of a node, as an ASGI application for paths that `is_versioned`."""

    def __init__(self, edge: Edge, endpoints: Iterable[Endpoint]) -> None:
        self._edge = edge
        self._table: dict[tuple[Subject | str, tuple[str, ...]], dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            methods = self._table.setdefault((endpoint.subject, endpoint.rest), {})
            assert endpoint.method not in methods, endpoint
            methods[endpoint.method] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. What nobody expected is answered, and then raised for the log."""
        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:
            refusal = graph_error(error)
            reply = error_reply(refusal, self._edge.entropy(_TRACE_BYTES).hex())
            await reply(scope, receive, send)
            if refusal is not error and refusal.code == Code.UNKNOWN:
                raise
        else:
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        edge = self._edge
        if not edge.is_ready():
            raise unavailable("This node is starting or stopping. Try another, or again.")
        version, parts = split_path(request.scope["path"])
        subject, named = parse_subject(parts[0])
        methods = self._table.get((subject, parts[1:])) or self._table.get((subject, (*parts[1:-1], ANY)))
        if methods is None:
            if subject == parts[0]:
                raise unknown_object(parts[0])
            path = "/".join(parts[1:])
            raise GraphError(Code.INVALID_PARAMETER, f"There is no path {path[:100]!r} here.", status=404)
        endpoint = methods.get(request.method)
        if endpoint is None:
            allowed = ", ".join(sorted(methods))
            details = f"{request.method} cannot be done to this path, but {allowed}."
            raise GraphError(Code.METHOD, details, headers={"Allow": allowed})
        call = Call(edge=edge, request=request, version=version, parts=parts, subject=subject, named=named)
        if endpoint.scope is not None:
            await _check_access(call, endpoint.scope)
        return await endpoint.function(call)


class VersionedPaths:
    """ASGI middleware: requests under `/vN.N/` go to the Cloud API, which answers in its own form; all else goes on."""

    def __init__(self, app: ASGIApp, cloud: ASGIApp) -> None:
        self._app = app
        self._cloud = cloud

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or pass on what is none of these."""
        is_cloud = scope["type"] == "http" and is_versioned(scope["path"])
        await (self._cloud if is_cloud else self._app)(scope, receive, send)


async def _check_access(call: Call, scope: str) -> None:
    """Find out who calls and what the path names; see access.py."""
    node, named, text = call.node, call.named, call.parts[0]
    view = call.token_view = await admit(node, shown_token(call.request))
    require_scope(view, scope)
    if call.subject is Subject.NUMBER:
        assert isinstance(named, int)
        call.number_view = await find_number(node, view, named, text)
    elif call.subject is Subject.BUSINESS:
        assert isinstance(named, int)
        await require_business(node, view, named, text)
    elif call.subject is Subject.APP:
        assert isinstance(named, int)
        await require_app(node, view, named, text)


def is_versioned(path: str) -> bool:
    """Whether a path is of the Cloud API: it begins with `/vN` or `/vN.N`."""
    return _VERSIONED.match(path) is not None


def split_path(path: str) -> tuple[str, tuple[str, ...]]:
    """
    Return the version and the segments after it; at least one.

    Raises:
        GraphError: There are none, or too many.
    """
    match = _VERSIONED.match(path)
    assert match is not None, path
    rest = path[match.end() :].removesuffix("/")
    parts = tuple(rest.split("/", CLOUD_PATH_PART_COUNT_MAX))
    if not parts[0]:
        raise unknown_object("")
    return match[1], parts


def parse_subject(text: str) -> tuple[Subject | str, int | bytes | str]:
    """Tell what the first segment of a path names, and which; a name of no other kind is a fixed one."""
    graph = parse_graph_id(text)
    if graph is not None:
        return Subject(graph[0]), graph[1]
    file = parse_media_id(text)
    if file is not None:
        return Subject.FILE, file
    room = parse_group_id(text)
    if room is not None:
        return Subject.GROUP, room
    if text.startswith(_UPLOAD):
        return Subject.UPLOAD, text.removeprefix(_UPLOAD)
    return text, text
