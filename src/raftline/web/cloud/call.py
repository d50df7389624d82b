"""
One request as endpoints see it, what they need of the world outside, and how they are declared.

    ENDPOINTS = (
        Endpoint("POST", Subject.NUMBER, ("messages",), send_message, MESSAGING),
        Endpoint("GET", Subject.NUMBER, (), show_number, MANAGEMENT),
        Endpoint("GET", "oauth", ("access_token",), issue_app_token, None),
    )

Each feature's file declares its own; endpoints.py joins them, and routing.py finds the one for a request. By the time
an endpoint runs, the token is known to be good and to have the scope, and the application, business or number that the
path names to be of the token's business. Files, groups, templates and upload sessions are looked up by their endpoints.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from raftline.base.cloud_limits import CLOUD_BODY_BYTES_MAX
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.values import NumberView, TokenView
from raftline.node.door import Files, Node
from raftline.web.cloud.errors import Code, GraphError, missing
from raftline.web.cloud.filing import Filing

if TYPE_CHECKING:
    from raftline.web.cloud.sending.links import LinkedFiles
    from raftline.web.cloud.stream import EventStreams

ANY: Final = "*"
"""Stands for any last segment of a path."""

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
        links: Fetches files that programs name by addresses; None where nothing does.
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
    links: LinkedFiles | None = None

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
