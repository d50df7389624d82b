"""`docs/reference/settings.md`: every setting with what it takes, its default and what it is for."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from pathlib import Path
from typing import Any

import msgspec
from msgspec.inspect import (
    BoolType,
    CustomType,
    DictType,
    Field,
    IntType,
    LiteralType,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from raftline.server import config
from raftline.server.config import NodeSettings

ENVIRONMENT_PREFIX = "RAFTLINE_"


def render() -> str:
    """Return the page without its mark."""
    info = type_info(NodeSettings)
    assert isinstance(info, StructType)
    return f"# Settings\n\n{_introduction()}\n\n{_table_of(info, '')}{_tables_below(info, '')}"


def _introduction() -> str:
    text = inspect.getdoc(config) or ""
    return (
        text.partition("\n\n")[2]
        + "\n\n`raftline config check FILE` checks a file, `raftline config show FILE` prints what is in effect."
    )


def _tables_below(info: StructType, path: str) -> str:
    """Render the tables of a table's fields, each below its path."""
    parts = []
    for field in info.fields:
        below, is_list = _struct_of(field.type)
        if below is None:
            continue
        name = f"{path}{field.name}"
        heading = f"[[{name}]]" if is_list else f"[{name}]"
        said = " ".join((inspect.getdoc(below.cls) or "").split())
        parts.append(f"\n## `{heading}`\n\n{said}\n\n{_table_of(below, f'{name}.', is_list=is_list)}")
        parts.append(_tables_below(below, f"{name}."))
    return "".join(parts)


def _table_of(info: StructType, path: str, *, is_list: bool = False) -> str:
    said = field_docstrings(info.cls)
    rows = []
    for field in info.fields:
        if _struct_of(field.type)[0] is not None:
            continue
        purpose = _cell(said.get(field.name, ""))
        rows.append(f"| `{field.name}` | {_takes(field.type)} | {_default(field)} | {purpose} |")
    variables = f"{ENVIRONMENT_PREFIX}{path.replace('.', '__').upper()}"
    note = "" if is_list else f"\nIn the environment: `{variables}…`, with the key in capitals.\n"
    return "| key | takes | default | what for |\n|---|---|---|---|\n" + "\n".join(rows) + "\n" + note


def _struct_of(told: Type) -> tuple[StructType | None, bool]:
    """Return the table that a field is, and whether there may be several; None for a plain value."""
    if isinstance(told, StructType):
        return told, False
    if isinstance(told, VarTupleType) and isinstance(told.item_type, StructType):
        return told.item_type, True
    return None, False


def _takes(told: Type) -> str:
    """Say what values a field takes."""
    match told:
        case BoolType():
            return "true or false"
        case IntType(ge=low, le=high):
            if low is not None and high is not None:
                return f"{low:,} to {high:,}"
            return "a whole number" if low is None else f"{low:,} or more"
        case StrType(pattern=pattern):
            return "text" if pattern is None else f"`{_cell(pattern)}`"
        case LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case VarTupleType(item_type=item):
            return f"a list: {_takes(item)}"
        case DictType(value_type=value):
            return f"a table: {_takes(value)}"
        case UnionType(types=types):
            return " or ".join(_takes(one) for one in types if not isinstance(one, NoneType))
        case CustomType(cls=cls) if cls is Path:
            return "a path"
        case _:
            raise TypeError(f"no words for {told!r}")


def _default(field: Field) -> str:
    if field.required:
        return "must be given"
    if field.default_factory is not msgspec.NODEFAULT:
        return "none"
    value: Any = field.default
    if value is None or value in ((), ""):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else f"`{value}`"


def field_docstrings(cls: type) -> dict[str, str]:
    """Return what stands below each field of a class, in the form of PEP 258, by the field's name."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    return below_assignments(definition.body)


def below_assignments(body: list[ast.stmt]) -> dict[str, str]:
    """Return the string that follows each assignment with an annotation, by the assigned name."""
    found = {}
    for statement, following in itertools.pairwise(body):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found[statement.target.id] = " ".join(following.value.value.split())
    return found


def _cell(text: str) -> str:
    """Return text that may stand in a cell of a table."""
    return text.replace("|", "\\|")
