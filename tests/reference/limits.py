"""`docs/reference/limits.md`: every limit with its name, its value and what it bounds."""

from __future__ import annotations

import ast
import inspect

from raftline.base import limits
from reference.settings import below_assignments

_HEAD = """\
Every queue, list and size has a limit. What is beyond one is refused with the error that the standard names; limits
that an operator may change are [settings](settings.md).
"""


def render() -> str:
    """Return the page without its mark."""
    body = ast.parse(inspect.getsource(limits)).body
    said = below_assignments(body)
    names = [
        statement.target.id
        for statement in body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    rows = [f"| `{name}` | {_value(getattr(limits, name))} | {said.get(name, '')} |" for name in names]
    table = "| name | value | what it bounds |\n|---|---|---|\n" + "\n".join(rows)
    return f"# Limits\n\n{_HEAD}\n{table}\n"


def _value(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"`{value}`"
