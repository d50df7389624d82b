"""
Paths under `/vN.N/`: what the first segment names, and the rest, choose an endpoint from a table.

    ENDPOINTS = (
        Endpoint("POST", Subject.NUMBER, ("messages",), send_message, MESSAGING),
        Endpoint("GET", Subject.NUMBER, (), show_number, MANAGEMENT),
        Endpoint("GET", "oauth", ("access_token",), issue_app_token, None),
    )

Each feature's file declares its own; endpoints.py joins them. The first digit of an id tells what it names
(machine/business/ids.py), so no state is asked to find the endpoint. Any version is served alike, and a `/` at the end
changes nothing. By the time an endpoint runs, the token is known to be good and to have the scope, and the
application, business or number that the path names to be of the token's business. Files, groups, templates and upload
sessions are looked up by their endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from raftline.base.cloud_limits import CLOUD_BODY_BYTES_MAX, CLOUD_PATH_PART_COUNT_MAX
from raftline.machine.business.ids import GraphKind, graph_id, parse_graph_id, parse_group_id, parse_media_id
from raftline.machine.business.values import NumberView, TokenView
from raftline.node.door import Files, Node
from raftline.web.cloud.access import admit, find_number, require_app, require_business, require_scope, shown_token
from raftline.web.cloud.errors import (
    Code,
    GraphError,
    error_reply,
    graph_error,
    missing,
    unavailable,
    unknown_object,
)
from raftline.web.cloud.filing import Filing

if TYPE_CHECKING:
    from raftline.web.cloud.stream import EventStreams

_VERSIONED: Final = re.compile(r"/(v[0-9]{1,3}(?:\.[0-9]{1,3})?)(?:/|$)")
ANY: Final = "*"
"""Stands for any last segment of a path."""

_UPLOAD: Final = "upload:"
_TRACE_BYTES: Final = 8

Body = TypeVar("Body")


class Subject(Enum):
    """What the first segment of a path names."""

    APP = GraphKind.APP
    BUSINESS = GraphKind.BUSINESS
    NUMBER = GraphKind.NUMBER
    TEMPLATE = GraphKind.TEMPLATE
    FILE = GraphKind.FILE
    GROUP = "group"
    UPLOAD = "upload"
    """A resumable upload: `upload:…`."""


@dataclass(frozen=True, slots=True)
class Edge:
    """
    What endpoints need of the world outside.

    Attributes:
        entropy: Draws so many bytes of chance.
        wall_ms: Milliseconds since 1970.
        is_ready: Whether this node serves; while it starts or stops, all is answered 503.
        page_url: Where browsers reach this node by HTTPS; empty for nowhere.
        files_url: Returns where clients reach uploaded files, without a path: this node, or whoever stands before it.
        check_callback: Asks whether an address with a verify token wants to be told of events (the challenge);
            raises Refused when it does not.
        streams: Serves events as they happen; None where nothing does.
        filing: Files of numbers; None where this installation keeps none.
    """

    node: Node
    entropy: Callable[[int], bytes]
    wall_ms: Callable[[], int]
    is_ready: Callable[[], bool] = lambda: True
    page_url: str = ""
    files_url: Callable[[], str] = lambda: ""
    check_callback: Callable[[str, str], Awaitable[None]] | None = None
    streams: EventStreams | None = None
    filing: Filing | None = None

    @property
    def required_filing(self) -> Filing:
        """
        Files of numbers.

        Raises:
            GraphError: This installation keeps none.
        """
        if self.filing is None:
            raise GraphError(Code.MEDIA_UPLOAD, "This installation keeps no files.")
        return self.filing


@dataclass(slots=True, kw_only=True)
class Call:
    """
    One request, as endpoints see it.

    Attributes:
        version: As in the path, such as `v26.0`.
        parts: Segments of the path after the version; the first one names `subject`.
        subject: A `Subject`, or the fixed name that the path begins with.
        named: The id of an application, business, number or template; the token of a file's upload; the local part
            of a group's room; what comes after `upload:`; the fixed name.
    """

    edge: Edge
    request: Request
    version: str
    parts: tuple[str, ...]
    subject: Subject | str
    named: int | bytes | str
    token_view: TokenView | None = None
    number_view: NumberView | None = None
    _body: bytes | None = None

    @property
    def node(self) -> Node:
        """The system."""
        return self.edge.node

    @property
    def files(self) -> Files:
        """Uploaded files."""
        return self.edge.node.files

    @property
    def token(self) -> TokenView:
        """Who calls; not for endpoints that need no token."""
        assert self.token_view is not None, "an endpoint without a token asks for it"
        return self.token_view

    @property
    def number(self) -> NumberView:
        """The number that the path names."""
        assert self.number_view is not None, "the path names no number"
        return self.number_view

    @property
    def actor(self) -> str:
        """Who calls, for the audit trail."""
        return f"app {graph_id(GraphKind.APP, self.token.app.app_id)}"

    @property
    def query(self) -> QueryParams:
        """Parameters after the question mark."""
        return self.request.query_params

    @property
    def root_url(self) -> str:
        """Where the caller reached this node, with the version: `https://host:port/v26.0`."""
        url = self.request.url
        return f"{url.scheme}://{url.netloc}/{self.version}"

    async def body(self, bytes_max: int = CLOUD_BODY_BYTES_MAX) -> bytes:
        """
        Read the body; what was read is kept.

        Raises:
            GraphError: 413, it is larger.
        """
        if self._body is not None:
            return self._body
        body = bytearray()
        async for chunk in self.request.stream():
            body += chunk
            if len(body) > bytes_max:
                details = f"The body is larger than {bytes_max} bytes."
                raise GraphError(Code.INVALID_PARAMETER, details, status=413)
        self._body = bytes(body)
        return self._body

    async def json(self, kind: type[Body]) -> Body:
        """
        Read a JSON body of a shape.

        Raises:
            GraphError: 415 for what is no JSON by its type, 413 for too much, 100 for no JSON at all, 131008 for a
                parameter that is missing, 131009 for one that is of another type.
        """
        kind_said = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind_said != "application/json":
            details = "The body must be JSON (Content-Type: application/json)."
            raise GraphError(Code.INVALID_PARAMETER, details, status=415)
        return decode_json(await self.body(), kind)

    async def json_or_none(self, kind: type[Body]) -> Body | None:
        """Read a JSON body as `json` does; None when there is no body."""
        body = await self.body()
        return decode_json(body, kind) if body else None


EndpointFunction = Callable[[Call], Awaitable[Response]]


class Endpoint(NamedTuple):
    """
    One row of the table.

    Attributes:
        subject: What the first segment names, or the fixed name that it is.
        rest: The segments after it; the last one may be ANY.
        scope: That the token must have; empty for any token, None for no token at all.
    """

    method: str
    subject: Subject | str
    rest: tuple[str, ...]
    function: EndpointFunction
    scope: str | None


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


def convert(value: object, kind: type[Body], where: str) -> Body:
    """Read a part of a body, which is at `where`, as a shape; errors as for `decode_json`."""
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.ValidationError as error:
        raise _refused_shape(str(error), where) from error


def decode_json(body: bytes, kind: type[Body]) -> Body:
    """
    Read JSON of a shape.

    Raises:
        GraphError: 100 for no JSON, 131008 for a parameter that is missing, 131009 for one of another type.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _refused_shape(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GraphError(Code.INVALID_PARAMETER, f"The body is no JSON: {error}.") from error
    except RecursionError as error:
        raise GraphError(Code.INVALID_PARAMETER, "The body is nested too deeply.") from error


def _refused_shape(text: str, where: str = "") -> GraphError:
    """Turn what msgspec says of a body into the refusal for it: `Object missing required field `x` - at `$.y``."""
    what, _, at = text.partition(" - at ")
    path = f"{where}{at.strip('`').removeprefix('$')}".removeprefix(".")
    if what.startswith("Object missing required field"):
        name = what.split("`")[1]
        return missing(f"{path}.{name}" if path else name)
    return GraphError(Code.INVALID_VALUE, f"The parameter {path or 'body'} is of the wrong type: {what}.")
