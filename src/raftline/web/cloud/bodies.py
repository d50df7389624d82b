"""What bodies of requests have in common."""

from __future__ import annotations

from raftline.web.cloud.errors import missing, wrong

PRODUCT = "whatsapp"


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
