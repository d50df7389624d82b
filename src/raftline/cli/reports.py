"""`raftline reports`: what people report about others (XEP-0377), read and closed."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raftline.cli.connection import HERE, AdminClient, Target, open_client
from raftline.cli.output import Json, print_json
from raftline.cli.users import moment

app = App(name="reports", help="Read what people report about others when they block them, and close it.")

PAGE: Final = 100


@app.command(name="list")
def list_reports(
    *,
    closed: Annotated[bool, Parameter(help="Those that are closed.", negative=())] = False,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    List reports that nobody has closed, the last first, with what the reported messages say.

    Example: raftline reports list --json
    """
    found = _all(open_client(target), "closed" if closed else "open")
    if json:
        print_json({"reports": found})
        return
    table = Table("Id", "When", "By", "About", "Reason", "Text", "Messages")
    for report in found:
        messages = "\n".join(message["text"] or f"({message['id']})" for message in report["messages"])
        reason = report["reason"].rpartition(":")[2]
        written = (report["reporter"], report["reported"], reason, report["text"], messages)
        table.add_row(report["id"], moment(report["time_ms"]), *map(_harmless, written))
    Console(soft_wrap=True).print(table)


@app.command
def close(
    report: Annotated[str, Parameter(help="Id, as `raftline reports list` tells it.")],
    /,
    *,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Note that a report is dealt with: it leaves the list of open ones, and is kept for half a year.

    Example: raftline reports close 4718592-0
    """
    open_client(target).request("POST", f"/admin/v1/reports/{quote(report, safe='')}/close")
    if json:
        print_json({"id": report, "closed": True})
    else:
        print(f"Closed {report}.")


def _all(client: AdminClient, state: str) -> list[dict[str, Any]]:
    """Fetch all pages; there are so many reports at most as the cluster keeps."""
    found: list[dict[str, Any]] = []
    before = ""
    while True:
        page = client.request("GET", f"/admin/v1/reports?state={state}&limit={PAGE}{before}")
        found += page["reports"]
        if page["next"] is None:
            return found
        before = f"&before={page['next']}"


def _harmless(text: str) -> Text:
    """Show what strangers have written as it is: neither markup nor anything that a terminal would obey."""
    return Text(
        "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
    )
