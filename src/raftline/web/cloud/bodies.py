"""What bodies of requests have in common."""

from __future__ import annotations

import re
from typing import Final

from raftline.web.cloud.errors import missing, wrong

PRODUCT: Final = "whatsapp"

_FORBIDDEN: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def has_forbidden(text: str) -> bool:
    """Whether a text has characters that no stanza may have (XML 1.0 section 2.2)."""
    return _FORBIDDEN.search(text) is not None


def require_product(value: str | None) -> None:
    """
    Check the product that a body is for, which is always the same.

    Raises:
        GraphError: 131008, it is missing; 131009, it is another one.
    """
    if value is None:
        raise missing("messaging_product")
    if value != PRODUCT:
        raise wrong("messaging_product", f"must be {PRODUCT}")


def chosen(shown: dict[str, object], fields: str | None) -> dict[str, object]:
    """Return what `fields` names, separated by commas, and the id; all when it is not said. Unknown names are none."""
    if not fields:
        return shown
    wanted = {name.strip().partition("{")[0].partition(".")[0] for name in fields.split(",")} | {"id"}
    return {name: value for name, value in shown.items() if name in wanted}
