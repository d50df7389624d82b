"""`raftline user`: accounts, and who is invited to open one."""

from __future__ import annotations

import datetime as dt
import getpass
import re
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Final
from urllib.parse import quote

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from raftline.cli import portability
from raftline.cli.connection import HERE, AdminClient, Target, open_client
from raftline.cli.output import Json, print_json
from raftline.server.failures import ExitCode, Failure

app = App(
    name="user", help="Add, list, change and delete accounts; invite people; take accounts to another server and back."
)
app.command(portability.export_user, name="export")
app.command(portability.import_user, name="import")

PAGE: Final = 500

_DURATION: Final = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

PasswordStdin = Annotated[bool, Parameter(help="Read the password from standard input instead of asking.", negative=())]
Name = Annotated[str, Parameter(help="User name: the part of the address before the @.")]


@app.command
def add(name: Name, /, *, password_stdin: PasswordStdin = False, json: Json = False, target: Target = HERE) -> None:
    """
    Create an account.

    Example: raftline user add anna
    """
    client = open_client(target)
    password = read_password(password_stdin)
    reply = client.request("POST", "/admin/v1/users", {"username": name, "password": password})
    if json:
        print_json(reply)
    else:
        print(f"Created {reply['jid']}.")


@app.command
def passwd(name: Name, /, *, password_stdin: PasswordStdin = False, json: Json = False, target: Target = HERE) -> None:
    """
    Set a new password. Clients that are connected stay connected.

    Example: echo "$SECRET" | raftline user passwd anna --password-stdin
    """
    client = open_client(target)
    password = read_password(password_stdin)
    client.request("PUT", f"/admin/v1/users/{quote(name, safe='')}/password", {"password": password})
    if json:
        print_json({"name": name})
    else:
        print(f"Changed the password of {name}.")


@app.command(name="list")
def list_users(*, json: Json = False, target: Target = HERE) -> None:
    """
    List all accounts.

    Example: raftline user list --server https://one.example.org:5443 --token-file admin.token
    """
    client = open_client(target)
    users = list(_all_users(client))
    if json:
        print_json({"users": users})
        return
    table = Table("Address", "Created", "Sessions", "Invited by")
    for user in users:
        table.add_row(user["jid"], moment(user["created_ms"]), str(user["session_count"]), user["inviter"] or "-")
    Console(soft_wrap=True).print(table)


@app.command
def delete(name: Name, /, *, json: Json = False, target: Target = HERE) -> None:
    """
    Delete an account with its contacts and messages; its clients are disconnected.

    Example: raftline user delete anna
    """
    open_client(target).request("DELETE", f"/admin/v1/users/{quote(name, safe='')}")
    if json:
        print_json({"name": name})
    else:
        print(f"Deleted {name}.")


@app.command
def invite(
    *,
    name: Annotated[str | None, Parameter(help="User name that the account is to have; without it any.")] = None,
    valid_for: Annotated[str, Parameter(help="How long: a number and s, m, h or d.")] = "7d",
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Invite somebody to open an account, where registration is closed too: prints a link that is good once.

    A name that is given is kept for who is invited.

    Example: raftline user invite --name anna --valid-for 12h
    """
    body = {"username": name, "lifetime_s": parse_duration(valid_for)}
    told = open_client(target).request("POST", "/admin/v1/invitations", body)
    if json:
        print_json(told)
        return
    print(told["uri"])
    if told["landing_url"]:
        print(told["landing_url"])
    print(f"Good once, until {moment(told['expires_ms'])}. Whoever has the link can use it.")


@app.command
def invitations(*, json: Json = False, target: Target = HERE) -> None:
    """
    List invitations that nobody has used yet.

    Example: raftline user invitations
    """
    told = open_client(target).request("GET", "/admin/v1/invitations")
    if json:
        print_json(told)
        return
    table = Table("Id", "Invited by", "User name", "Opens an account", "Into room", "Uses", "Good until")
    for entry in told["invitations"]:
        inviter, username = entry["inviter"] or "an operator", entry["username"] or "any"
        opens = "yes" if entry["registers"] else "no"
        room, uses = entry["room"] or "-", str(entry["uses"])
        table.add_row(entry["id"], inviter, username, opens, room, uses, moment(entry["expires_ms"]))
    Console(soft_wrap=True).print(table)


@app.command
def uninvite(
    invitation: Annotated[str, Parameter(help="Id, as `raftline user invitations` tells it.")],
    /,
    *,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Take an invitation back: its link is good for nothing, and its user name is free.

    Example: raftline user uninvite 1d8e…
    """
    open_client(target).request("DELETE", f"/admin/v1/invitations/{quote(invitation, safe='')}")
    if json:
        print_json({"id": invitation})
    else:
        print("The invitation is taken back.")


def parse_duration(text: str) -> int:
    """
    Read a duration such as `90s`, `30m`, `12h` or `7d`. Returns: seconds.

    Raises:
        Failure: USAGE: it is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Failure(ExitCode.USAGE, f"{text!r} is no duration; write a number and s, m, h or d, such as 12h.")
    return int(found[1]) * _SECONDS[found[2]]


def moment(time_ms: int) -> str:
    """Write a cluster time for people."""
    return f"{dt.datetime.fromtimestamp(time_ms / 1_000, dt.UTC):%Y-%m-%d %H:%M} UTC"


def _all_users(client: AdminClient) -> Iterator[dict[str, Any]]:
    """Yield all accounts, a page at a time."""
    after: str | None = ""
    while after is not None:
        page = client.request("GET", f"/admin/v1/users?limit={PAGE}&after={quote(after, safe='')}")
        yield from page["users"]
        after = page["next"]


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
