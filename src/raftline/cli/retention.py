"""`raftline retention`: how long a cluster keeps archives, uploads, reports and what is left of deleted accounts."""

from __future__ import annotations

from typing import Annotated, Any, Final

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from raftline.cli.connection import HERE, Target, open_client
from raftline.cli.output import Json, print_json

app = App(name="retention", help="Show and set how long the cluster keeps what it keeps.")

PATH: Final = "/admin/v1/retention"
ROWS: Final = (
    ("account_archives_days", "Archives of users", "for ever"),
    ("room_archives_days", "Archives of rooms", "for ever"),
    ("uploads_days", "Uploaded files", "for ever"),
    ("reports_days", "Reports of spam and abuse", "as many as there is room for"),
    ("deleted_accounts_days", "What is left of deleted accounts", "goes at once"),
)
"""Field, what it is for people, and what no limit means."""

Days = Annotated[int | None, Parameter(help="Days; 0 for no limit.")]


@app.command
def show(*, json: Json = False, target: Target = HERE) -> None:
    """
    Show how long things are kept.

    Example: raftline retention show
    """
    _tell(open_client(target).request("GET", PATH), json=json)


@app.command(name="set")
def set_days(
    *,
    account_archives: Days = None,
    room_archives: Days = None,
    uploads: Days = None,
    reports: Days = None,
    deleted_accounts: Days = None,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Set how long things are kept, on all nodes at once. What is older is deleted, beginning now; nothing brings it back.

    What is not named stays as it is.

    Example: raftline retention set --room-archives 365 --uploads 90
    """
    named = {
        "account_archives_days": account_archives,
        "room_archives_days": room_archives,
        "uploads_days": uploads,
        "reports_days": reports,
        "deleted_accounts_days": deleted_accounts,
    }
    body = {field: days for field, days in named.items() if days is not None}
    _tell(open_client(target).request("PUT", PATH, body), json=json)


def make_table(content: dict[str, Any]) -> Table:
    """Return a row for each kind of thing; `content` is as `/admin/v1/retention` tells it."""
    table = Table("What", "Kept for")
    for field, what, without in ROWS:
        days = content[field]
        table.add_row(what, f"{days} days" if days else without)
    return table


def _tell(content: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(content)
    else:
        Console(soft_wrap=True).print(make_table(content))
