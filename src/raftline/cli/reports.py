"""`raftline reports`: what people report about others (XEP-0377), read and closed."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from raftline.cli.connection import HERE, Target, all_pages, open_client
from raftline.cli.output import Json, harmless, print_json
from raftline.cli.users import moment

app = App(name="reports", help="Read what people report about others when they block them, and close it.")


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
    state = "closed" if closed else "open"
    found = all_pages(open_client(target), f"/admin/v1/reports?state={state}", "reports", "before")
    if json:
        print_json({"reports": found})
        return
    table = Table("Id", "When", "By", "About", "Reason", "Text", "Messages")
    for report in found:
        messages = "\n".join(message["text"] or f"({message['id']})" for message in report["messages"])
        reason = report["reason"].rpartition(":")[2]
        written = (report["reporter"], report["reported"], reason, report["text"], messages)
        table.add_row(report["id"], moment(report["time_ms"]), *map(harmless, written))
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
