"""`raftline user`: accounts."""

from __future__ import annotations

import datetime as dt
import getpass
import sys
from typing import Annotated, Final
from urllib.parse import quote

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from raftline.cli import portability
from raftline.cli.connection import HERE, AdminClient, Target, open_client
from raftline.server.failures import ExitCode, Failure

app = App(name="user", help="Add, list, change and delete accounts; take them to another server and back.")
app.command(portability.export_user, name="export")
app.command(portability.import_user, name="import")

PAGE: Final = 500

PasswordStdin = Annotated[bool, Parameter(help="Read the password from standard input instead of asking.", negative=())]
Name = Annotated[str, Parameter(help="User name: the part of the address before the @.")]


@app.command
def add(name: Name, /, *, password_stdin: PasswordStdin = False, target: Target = HERE) -> None:
    """
    Create an account.

    Example: raftline user add anna
    """
    client = open_client(target)
    password = read_password(password_stdin)
    reply = client.request("POST", "/admin/v1/users", {"username": name, "password": password})
    print(f"Created {reply['jid']}.")


@app.command
def passwd(name: Name, /, *, password_stdin: PasswordStdin = False, target: Target = HERE) -> None:
    """
    Set a new password. Clients that are connected stay connected.

    Example: echo "$SECRET" | raftline user passwd anna --password-stdin
    """
    client = open_client(target)
    password = read_password(password_stdin)
    client.request("PUT", f"/admin/v1/users/{quote(name, safe='')}/password", {"password": password})
    print(f"Changed the password of {name}.")


@app.command(name="list")
def list_users(*, target: Target = HERE) -> None:
    """
    List all accounts.

    Example: raftline user list --server https://one.example.org:5443 --token-file admin.token
    """
    client = open_client(target)
    table = Table("Address", "Created", "Sessions")
    after: str | None = ""
    while after is not None:
        after = _add_page(client, after, table)
    Console(soft_wrap=True).print(table)


@app.command
def delete(name: Name, /, *, target: Target = HERE) -> None:
    """
    Delete an account with its contacts and messages; its clients are disconnected.

    Example: raftline user delete anna
    """
    open_client(target).request("DELETE", f"/admin/v1/users/{quote(name, safe='')}")
    print(f"Deleted {name}.")


def _add_page(client: AdminClient, after: str, table: Table) -> str | None:
    """Fetch a page of accounts. Returns: where the next one begins, None after the last."""
    page = client.request("GET", f"/admin/v1/users?limit={PAGE}&after={quote(after, safe='')}")
    for user in page["users"]:
        created = dt.datetime.fromtimestamp(user["created_ms"] / 1_000, dt.UTC)
        table.add_row(user["jid"], f"{created:%Y-%m-%d %H:%M} UTC", str(user["session_count"]))
    following: str | None = page["next"]
    return following


def read_password(from_stdin: bool) -> str:
    """
    Ask for a password twice, or read one line of standard input.

    Raises:
        Failure: USAGE: there is none, the two differ, or nobody can be asked.
    """
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise Failure(ExitCode.USAGE, "There is no password on standard input.")
        return password
    if not sys.stdin.isatty():
        raise Failure(ExitCode.USAGE, "There is no terminal to ask for a password; use --password-stdin.")
    password = getpass.getpass("Password: ")
    if not password:
        raise Failure(ExitCode.USAGE, "The password is empty.")
    if getpass.getpass("Once more: ") != password:
        raise Failure(ExitCode.USAGE, "The two passwords differ.")
    return password
