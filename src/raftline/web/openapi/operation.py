"""A row of a table of operations: what can be asked of a path by a method, and what may be answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

BINARY: Final = "application/octet-stream"


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
        body: Type of the JSON body; None for no body.
        reply: Type of the JSON answer; None for an empty one, `bytes` for a file.
        status: Of an answer when all went well.
        errors: Other status codes, beside those that all have.
        is_form: The body is a form (`multipart/form-data`), and the type tells its fields.
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
    is_form: bool = False
    body_is_needed: bool = True
    is_open: bool = False
