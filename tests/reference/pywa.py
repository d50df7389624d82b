"""`docs/reference/pywa.md`: what becomes of each public method of pywa's client, found by calling it."""

from __future__ import annotations

import re
import warnings
from functools import cache
from importlib.metadata import version
from inspect import getmembers
from typing import Final, NamedTuple

from pywa import WhatsApp
from pywa.errors import WhatsAppError

from raftline.web.cloud.errors import GraphError
from reference.pywa_calls import CALLS, Elsewhere, Stage

_ID_LETTERS: Final = {"1": "A", "2": "W", "3": "P", "4": "M", "5": "T"}

_HEAD = """\
A program that was written with pywa speaks to Raftline with one line more:

```python
wa = WhatsApp(phone_id="…", token="…")
wa.api._session.base_url = "https://raftline.example.org/v26.0"
```

This table was made by calling every public method of its client, version {version}, against a service. A method is
implemented, and then makes this request last, or is refused with this code, which pywa raises as an error. `A` is an
application, `W` a business, `P` a number, `M` a file, `T` a template, `G` a group.
"""
_REFUSED = """\
## Refused

Refused calls change nothing. Code 100 says that Raftline does not have it, 10 that operators alone do it, 131051 that
messages of this kind are not there.
"""
_LOCAL = """\
## Without requests

These concern what comes, or the client itself, and need nothing of a server beyond webhooks:
"""


class Finding(NamedTuple):
    """
    What became of a method.

    Attributes:
        request: The last request, with letters for ids.
        code: Of the refusal; 0 for none.
        details: Why it was refused.
    """

    request: str
    code: int
    details: str


def methods() -> list[str]:
    """Return the names of all public members of the client."""
    return sorted(name for name, _ in getmembers(WhatsApp) if not name.startswith("_"))


@cache
def find(name: str, *, is_async: bool = False) -> Finding:
    """Call a method, of the client for the event loop or the other one, on a stage; tell what became of it."""
    stage = Stage(is_async=is_async)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            CALLS[name](stage)
    except WhatsAppError as error:
        return Finding(_last(stage), error.code, error.details or "")
    except TypeError as error:
        if stage.transport.requests:
            raise
        return Finding("", 0, f"pywa fails by itself before it asks anything ({error}).")
    except Elsewhere as elsewhere:
        return Finding("", 0, f"pywa asks {elsewhere}, whatever its base URL.")
    finally:
        stage.close()
    return Finding(_last(stage), 0, "")


def render() -> str:
    """Return the page without its mark."""
    found = {name: find(name) for name in sorted(CALLS)}
    done = [f"| `{name}` | `{one.request}` |" for name, one in found.items() if one.request and not one.code]
    refused = [
        f"| `{name}` | {one.code} {GraphError(one.code, '').title} | {one.details} |"
        for name, one in found.items()
        if one.code
    ]
    away = [f"- `{name}`: {one.details}" for name, one in found.items() if not one.request]
    local = ", ".join(f"`{name}`" for name in methods() if name not in CALLS)
    parts = [
        "# pywa\n",
        _HEAD.format(version=version("pywa")),
        f"## Implemented\n\n{len(done)} methods.\n",
        "| method | request |\n|---|---|\n" + "\n".join(done) + "\n",
        _REFUSED,
        "| method | code | why |\n|---|---|---|\n" + "\n".join(refused) + "\n",
        "These never reach a Raftline, so it refuses nothing:\n",
        "\n".join(away) + "\n",
        _LOCAL,
        local + "\n",
    ]
    return "\n".join(parts)


def _last(stage: Stage) -> str:
    method, path = stage.transport.requests[-1]
    return f"{method} /" + "/".join(_letter(part) for part in path.strip("/").split("/"))


def _letter(part: str) -> str:
    if part.startswith("g_"):
        return "G"
    if part.startswith("upload:"):
        return "upload:…"
    if re.fullmatch(r"[1235][0-9]{14}|4[0-9]{39}", part):
        return _ID_LETTERS[part[0]]
    return "TOKEN" if re.fullmatch(r"[0-9a-f]{32}", part) else part
