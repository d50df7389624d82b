"""Writing settings as TOML: what `raftline up` lays out for each node and `raftline config show` prints."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from raftline.base.errors import LocalProtocolError


def format_settings(settings: msgspec.Struct) -> str:
    """Write all values of a settings Struct, defaults too; None is left out, as TOML has no such value."""
    lines: list[str] = []
    _write_table(settings, "", lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _write_table(table: msgspec.Struct, path: str, lines: list[str]) -> None:
    """Write plain values first: whatever follows the head of a sub-table belongs to it."""
    values = {name: getattr(table, name) for name in table.__struct_fields__}
    for name, value in values.items():
        if value is not None and not _is_nested(value):
            lines.append(f"{name} = {_format_value(value)}")
    for name, value in values.items():
        place = f"{path}.{name}" if path else name
        if isinstance(value, msgspec.Struct):
            lines.extend(["", f"[{place}]"])
            _write_table(value, place, lines)
        elif _is_nested(value):
            for item in value:
                lines.extend(["", f"[[{place}]]"])
                _write_table(item, place, lines)


def _is_nested(value: object) -> bool:
    return isinstance(value, msgspec.Struct) or (
        isinstance(value, tuple) and bool(value) and isinstance(value[0], msgspec.Struct)
    )


def _format_value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str() | Path():
            # A JSON string is a TOML basic string, except that TOML also escapes DEL.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
        case dict():
            pairs = (f"{_format_value(str(name))} = {_format_value(item)}" for name, item in value.items())
            return "{ " + ", ".join(pairs) + " }"
        case tuple():
            return "[" + ", ".join(_format_value(item) for item in value) + "]"
    raise LocalProtocolError(f"no TOML form for {value!r}")
