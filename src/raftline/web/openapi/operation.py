"""A row of a table of operations: what can be asked of a path by a method, and what may be answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

BINARY: Final = "application/octet-stream"
FORM: Final = "multipart/form-data"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of several types: msgspec tells structs apart by tags alone, and these have none."""

    kinds: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """
    A parameter of a query or a header.

    Attributes:
        kind: Its type, with bounds.
    """

    name: str
    kind: Any
    text: str
    place: str = "query"
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """
    What can be asked of a path by a method.

    Attributes:
        path: With `{name}` for what is named in it.
        name: Its `operationId`.
        body: Type of the JSON body; None for none.
        forms: Bodies of other media types: the media type, and the type, or `bytes`.
        reply: Type of the JSON answer; None for an empty one, `bytes` for one of another media type.
        reply_media: That media type.
        status: Of an answer when all went well.
        errors: Other status codes, beside those that all have.
        body_is_needed: Without it the request is refused.
        is_open: No token is needed.
    """

    method: str
    path: str
    name: str
    text: str
    tag: str
    body: Any = None
    reply: Any = None
    status: int = 200
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    forms: tuple[tuple[str, Any], ...] = ()
    reply_media: str = BINARY
    body_is_needed: bool = True
    is_open: bool = False

    @property
    def bodies(self) -> dict[str, Any]:
        """Types of the body, by media type."""
        return ({} if self.body is None else {JSON: self.body}) | dict(self.forms)
