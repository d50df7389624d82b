"""
Pages of lists, as the Graph API has them: cursors that name where a page begins and ends, and links to the next ones.

    {"data": […], "paging": {"cursors": {"before", "after"}, "next"?, "previous"?}}

A cursor is the key of an item, so it stays good whatever is added or removed meanwhile. Links lead to the address that
the caller used, and never carry a token.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from raftline.base.cloud_limits import CLOUD_PAGE_ROW_COUNT, CLOUD_PAGE_ROW_COUNT_MAX
from raftline.web.cloud.call import Call
from raftline.web.cloud.errors import Code, GraphError, wrong

Row = TypeVar("Row")

_LIMIT_DIGITS_MAX: Final = 9
_NOT_CARRIED: Final = frozenset({"access_token", "after", "before"})


def page_of(
    call: Call, rows: Sequence[Row], key: Callable[[Row], str], count_max: int = CLOUD_PAGE_ROW_COUNT_MAX
) -> tuple[Sequence[Row], dict[str, Any]]:
    """
    Return the rows of the page that a request asks for, and its `paging`.

    Args:
        rows: All of them, sorted by their keys.
        count_max: Greatest number of rows; whoever asks for more gets so many.

    Raises:
        GraphError: 100 for a limit or a cursor that cannot be.
    """
    limit = min(_limit_of(call), count_max)
    after, before = _cursor_of(call, "after"), _cursor_of(call, "before")
    start, end = 0, len(rows)
    if after is not None:
        start = sum(key(row) <= after for row in rows)
    if before is not None:
        end = sum(key(row) < before for row in rows)
    if before is not None and after is None:
        start = max(end - limit, 0)
    else:
        end = min(start + limit, end)
    shown = rows[start:end]
    if not shown:
        return shown, {}
    first, last = _cursor(key(shown[0])), _cursor(key(shown[-1]))
    paging: dict[str, Any] = {"cursors": {"before": first, "after": last}}
    if end < len(rows):
        paging["next"] = _link(call, limit, after=last)
    if start:
        paging["previous"] = _link(call, limit, before=first)
    return shown, paging


def listed(data: Sequence[object], paging: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a page; without `paging` when it has nothing."""
    return {"data": data, "paging": paging} if paging else {"data": data}


def _limit_of(call: Call) -> int:
    text = call.query.get("limit")
    if text is None:
        return CLOUD_PAGE_ROW_COUNT
    if not (text.isascii() and text.isdigit() and int(text[:_LIMIT_DIGITS_MAX])):
        raise wrong("limit", "must be a number from 1 on")
    return min(int(text[:_LIMIT_DIGITS_MAX]), CLOUD_PAGE_ROW_COUNT_MAX)


def _cursor(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _cursor_of(call: Call, name: str) -> str | None:
    text = call.query.get(name)
    if not text:
        return None
    try:
        return b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise GraphError(Code.INVALID_PARAMETER, f"The cursor {name} is none of ours.") from None


def _link(call: Call, limit: int, **cursor: str) -> str:
    carried = [(name, value) for name, value in call.query.multi_items() if name not in _NOT_CARRIED | {"limit"}]
    query = urlencode([*carried, ("limit", str(limit)), *cursor.items()])
    return f"{call.root_url}/{'/'.join(call.parts)}?{query}"
