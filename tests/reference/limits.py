"""`docs/reference/limits.md`: every limit with its name, its value and what it bounds."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

from raftline.base import business_limits, cloud_limits, limits
from reference.settings import below_assignments

_HEAD = """\
Every queue, list and size has a limit. What is beyond one is refused with the error that the standard names; limits
that an operator may change are [settings](settings.md).
"""


def render() -> str:
    """Return the page without its mark."""
    parts = [_table(module) for module in (limits, business_limits, cloud_limits)]
    titles = ("", "\n## Of businesses\n\n", "\n## Of the Cloud API\n\n")
    body = "".join(f"{title}{table}\n" for title, table in zip(titles, parts, strict=True))
    return f"# Limits\n\n{_HEAD}\n{body}"


def _table(module: ModuleType) -> str:
    body = ast.parse(inspect.getsource(module)).body
    said = below_assignments(body)
    names = [
        statement.target.id
        for statement in body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    rows = [f"| `{name}` | {_value(getattr(module, name))} | {said.get(name, '')} |" for name in names]
    return "| name | value | what it bounds |\n|---|---|---|\n" + "\n".join(rows)


def _value(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"`{value}`"
