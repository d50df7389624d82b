"""A table of operations becomes an OpenAPI 3.1 document. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from raftline.web.openapi.operation import JSON, AnyOf, Operation, Parameter

_REFERENCE: Final = "#/components/schemas/{name}"
_NAMED: Final = re.compile(r"\{(\w+)\}")

_STATUS_TEXTS: Final[Mapping[int, str]] = {
    200: "Done.",
    201: "Made.",
    202: "Asked; it takes a while.",
    204: "Done.",
    400: "The request is wrong.",
    401: "No token, or none that is good.",
    403: "Not allowed.",
    404: "There is no such thing.",
    405: "This cannot be done to it.",
    409: "It is there already, or cannot be now.",
    413: "Too large.",
    415: "The body is not of this type.",
    429: "Too many requests.",
    500: "The server failed on this request.",
    503: "The cluster cannot do this now, or the outcome is not known: repeat with the same Idempotency-Key.",
}


@dataclass(frozen=True, slots=True)
class Interface:
    """
    What a table belongs to.

    Attributes:
        server: Path that all others are below.
        error: Type of the body of every error.
        errors: Status codes that every operation has; those with a body or with something named in the path have more.
        named: What can be named in a path: its text, by its name.
        parameters: Of every operation that changes something.
    """

    title: str
    text: str
    server: str
    error: type[msgspec.Struct]
    errors: tuple[int, ...]
    body_errors: tuple[int, ...]
    path_errors: tuple[int, ...]
    named: Mapping[str, str]
    parameters: tuple[Parameter, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def write_document(interface: Interface, operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the document of an interface, ready to be encoded."""
    schemas = _Schemas(interface, operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _write(interface, operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": interface.title, "description": interface.text, "version": "1"},
        "servers": [{"url": interface.server}],
        "tags": [{"name": name, "description": text} for name, text in interface.tags.items()],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Schemas:
    """The schemas of all types of a table, by type."""

    def __init__(self, interface: Interface, operations: Sequence[Operation]) -> None:
        found: list[Any] = [interface.error]
        for operation in operations:
            parameters = (*operation.parameters, *interface.parameters)
            found += [*operation.bodies.values(), operation.reply, *(parameter.kind for parameter in parameters)]
        parts = [part for kind in found for part in (kind.kinds if isinstance(kind, AnyOf) else (kind,))]
        kinds = [kind for kind in dict.fromkeys(parts) if kind not in {None, bytes}]
        written, self.components = msgspec.json.schema_components(kinds, schema_hook=_anything, ref_template=_REFERENCE)
        self._by_kind = dict(zip(kinds, written, strict=True))

    def of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a type."""
        if isinstance(kind, AnyOf):
            return {"anyOf": [self.of(one) for one in kind.kinds]}
        schema: dict[str, Any] = self._by_kind[kind]
        return schema


def _anything(kind: type) -> dict[str, Any]:
    assert kind is object, f"{kind} has no schema"
    return {"description": "Anything."}


def _write(interface: Interface, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    written: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.text,
        "tags": [operation.tag],
        "responses": _responses(interface, operation, schemas),
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "description": interface.named[name]} | _path_schema()
        for name in _NAMED.findall(operation.path)
    ]
    changing = interface.parameters if operation.method != "GET" else ()
    for parameter in (*operation.parameters, *changing):
        content = {
            "name": parameter.name,
            "in": parameter.place,
            "required": parameter.is_needed,
            "description": parameter.text,
            "schema": schemas.of(parameter.kind),
        }
        parameters.append(content)
    if parameters:
        written["parameters"] = parameters
    if operation.bodies:
        media = {name: _media(kind, schemas) for name, kind in operation.bodies.items()}
        written["requestBody"] = {"required": operation.body_is_needed, "content": media}
    if operation.is_open:
        written["security"] = []
    return written


def _path_schema() -> dict[str, Any]:
    # One segment: with a slash in it the path would be another one.
    return {"schema": {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}}


def _media(kind: Any, schemas: _Schemas) -> dict[str, Any]:
    return {} if kind is bytes else {"schema": schemas.of(kind)}


def _responses(interface: Interface, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    errors = {*interface.errors, *operation.errors}
    if operation.bodies:
        errors.update(interface.body_errors)
    if _NAMED.search(operation.path):
        errors.update(interface.path_errors)
    if operation.is_open:
        errors.discard(401)
    done: dict[str, Any] = {"description": _STATUS_TEXTS[operation.status]}
    if operation.reply is not None:
        done["content"] = {
            operation.reply_media if operation.reply is bytes else JSON: _media(operation.reply, schemas)
        }
    failed = {"content": {JSON: {"schema": schemas.of(interface.error)}}}
    return {
        str(operation.status): done,
        **{str(status): {"description": _STATUS_TEXTS[status], **failed} for status in sorted(errors)},
    }
