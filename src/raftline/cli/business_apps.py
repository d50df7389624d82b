"""`raftline business app`, `token`, `callback` and `dead-letters`: what programs speak with, and what they are told."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from raftline.cli.connection import HERE, AdminClient, Target, all_pages, open_client
from raftline.cli.output import Json, folded, harmless, print_json
from raftline.cli.users import moment, parse_duration
from raftline.server.failures import ExitCode, Failure

app = App(name="app", help="Add and delete applications of a business, and change their secrets.")
token_app = App(name="token", help="Issue, list and revoke tokens of an application.")
callback_app = App(name="callback", help="Set and remove where an application is told of events.")
dead_letter_app = App(name="dead-letters", help="Events that no receiver took for seven days: list, replay, discard.")

PATH: Final = "/admin/v1/apps"

AppId = Annotated[str, Parameter(help="Id of the application (app_id).")]
CallbackScope = Annotated[
    str, Parameter(help="`app`, or the id of a business or a number, for which it counts instead.")
]
Letters = Annotated[
    tuple[str, ...], Parameter(help="Ids, as `raftline business dead-letters list` tells them.", negative=())
]
AllFlag = Annotated[bool, Parameter(name="--all", help="All of them.", negative=())]


@app.command
def add(
    business: Annotated[str, Parameter(help="Id of the business (waba_id).")],
    name: Annotated[str, Parameter(help="What operators know it by.")],
    /,
    *,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Add an application to a business. Its secret is printed here and never again; it has no token yet.

    Example: raftline business app add 200000000000001 "Support desk"
    """
    path = f"/admin/v1/businesses/{quote(business, safe='')}/apps"
    _tell_secret(open_client(target).request("POST", path, {"name": name}), json=json)


@app.command
def remove(application: AppId, /, *, json: Json = False, target: Target = HERE) -> None:
    """
    Delete an application with its tokens, callbacks and events.

    Example: raftline business app remove 100000000000001
    """
    open_client(target).request("DELETE", _path(application))
    _tell({"app_id": application}, f"Removed {application}.", json=json)


@app.command(name="rotate-secret")
def rotate_secret(application: AppId, /, *, json: Json = False, target: Target = HERE) -> None:
    """
    Give an application another secret, at once; it is printed here and never again.

    What is sent to the application from now on is signed with it.

    Example: raftline business app rotate-secret 100000000000001 --json
    """
    _tell_secret(open_client(target).request("POST", _path(application, "secret")), json=json)


@app.command
def streams(
    application: AppId,
    /,
    *,
    off: Annotated[bool, Parameter(help="Keep them no more.", negative=())] = False,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Keep an application's events for a day, so that it can read them as a stream, or go back to them.

    Example: raftline business app streams 100000000000001
    """
    told = open_client(target).request("PUT", _path(application, "streams"), {"streams": not off})
    _tell(told, f"Events of {application} are {'kept for streams' if told['streams'] else 'not kept'}.", json=json)


@token_app.command
def issue(
    application: AppId,
    /,
    *,
    label: Annotated[str, Parameter(help="What it is for.")] = "",
    scope: Annotated[
        tuple[str, ...],
        Parameter(help="whatsapp_business_messaging, whatsapp_business_management; without it both.", negative=()),
    ] = (),
    valid_for: Annotated[
        str | None, Parameter(help="How long: a number and s, m, h or d; without it for ever.")
    ] = None,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Issue a token, which is printed here and never again.

    Example: raftline business token issue 100000000000001 --label "order bot" --valid-for 90d
    """
    body: dict[str, Any] = {"label": label}
    if scope:
        body["scopes"] = scope
    if valid_for is not None:
        body["expires_s"] = parse_duration(valid_for)
    told = open_client(target).request("POST", _path(application, "tokens"), body)
    _tell(told, told["token"], json=json)


@token_app.command(name="list")
def list_tokens(application: AppId, /, *, json: Json = False, target: Target = HERE) -> None:
    """
    List an application's tokens: what they are for, never themselves.

    Example: raftline business token list 100000000000001
    """
    told = open_client(target).request("GET", _path(application, "tokens"))
    if json:
        print_json(told)
        return
    table = Table(*folded("Id", "Label", "Issued", "Good until", "Scopes"))
    for token in told["tokens"]:
        until = "for ever" if token["expires_ms"] is None else moment(token["expires_ms"])
        issued, scopes = moment(token["created_ms"]), "\n".join(token["scopes"])
        table.add_row(token["token_id"], harmless(token["label"] or "-"), issued, until, scopes)
    Console(soft_wrap=True).print(table)


@token_app.command
def revoke(
    application: AppId,
    token: Annotated[str, Parameter(help="Id, as `raftline business token list` tells it.")],
    /,
    *,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Revoke a token, at once.

    Example: raftline business token revoke 100000000000001 4718592
    """
    open_client(target).request("DELETE", _path(application, "tokens", token))
    _tell({"token_id": token}, f"Revoked {token}.", json=json)


@callback_app.command(name="set")
def set_callback(
    application: AppId,
    url: Annotated[str, Parameter(help="Where its program is told of events; must be up now.")],
    /,
    *,
    verify_token: Annotated[str, Parameter(help="What the program knows us by.")],
    scope: CallbackScope = "app",
    field: Annotated[tuple[str, ...], Parameter(help="What it is told of; without it `messages`.", negative=())] = (),
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Set where an application is told of events. The receiver is asked at once whether it expects us.

    Example: raftline business callback set 100000000000001 https://bot.example.org/hook --verify-token xyzzy
    """
    body: dict[str, Any] = {"url": url, "verify_token": verify_token, "scope": scope}
    if field:
        body["fields"] = field
    told = open_client(target).request("PUT", _path(application, "callbacks"), body)
    _tell(told, f"{application} is told of events at {url}.", json=json)


@callback_app.command(name="remove")
def remove_callback(
    application: AppId, /, *, scope: CallbackScope = "app", json: Json = False, target: Target = HERE
) -> None:
    """
    Remove a callback; events that it was to get wait for another one, for seven days.

    Example: raftline business callback remove 100000000000001
    """
    open_client(target).request("DELETE", f"{_path(application, 'callbacks')}?scope={quote(scope, safe='')}")
    _tell({"app_id": application, "scope": scope}, f"Removed the callback of {application} ({scope}).", json=json)


@dead_letter_app.command(name="list")
def list_dead(application: AppId, /, *, json: Json = False, target: Target = HERE) -> None:
    """
    List dead letters, the oldest first. They are kept for thirty days.

    Example: raftline business dead-letters list 100000000000001 --json
    """
    found = all_pages(open_client(target), _path(application, "dead-letters"), "dead_letters")
    if json:
        print_json({"dead_letters": found})
        return
    table = Table(*folded("Id", "Happened", "Given up", "What", "About", "Was to go to"))
    for letter in found:
        what = letter["kind"] if letter["status"] is None else f"{letter['kind']} {letter['status']}"
        written = (what, letter["peer"], letter["callback"] or "nowhere")
        table.add_row(letter["id"], moment(letter["time_ms"]), moment(letter["died_ms"]), *map(harmless, written))
    Console(soft_wrap=True).print(table)


@dead_letter_app.command
def replay(
    application: AppId,
    letters: Letters = (),
    /,
    *,
    everything: AllFlag = False,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Let dead letters be delivered again, for as long as new events are.

    Example: raftline business dead-letters replay 100000000000001 --all
    """
    _require_choice(letters, everything=everything)
    client, path = open_client(target), _path(application, "dead-letters", "replay")
    told = _until_none_left(client, "POST", path, {}) if everything else client.request("POST", path, {"ids": letters})
    _tell(told, f"They are delivered again; {told['left']} dead letters are left.", json=json)


@dead_letter_app.command
def discard(
    application: AppId,
    letters: Letters = (),
    /,
    *,
    everything: AllFlag = False,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Forget dead letters for good.

    Example: raftline business dead-letters discard 100000000000001 --all
    """
    _require_choice(letters, everything=everything)
    client, path = open_client(target), _path(application, "dead-letters")
    if everything:
        left = _until_none_left(client, "DELETE", path, None)["left"]
    else:
        for letter in letters:
            client.request("DELETE", f"{path}/{quote(letter, safe='')}")
        left = client.request("GET", _path(application))["dead_letters"]
    _tell({"left": left}, f"They are gone; {left} dead letters are left.", json=json)


def _require_choice(letters: tuple[str, ...], *, everything: bool) -> None:
    if everything == bool(letters):
        raise Failure(ExitCode.USAGE, "Name dead letters by their ids, or all of them with --all.")


def _until_none_left(client: AdminClient, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    """Repeat a request that does as much as it can at once, as long as it gets further."""
    left: int | None = None
    while True:
        told: dict[str, Any] = client.request(method, path, body)
        if told["left"] == 0 or (left is not None and told["left"] >= left):
            return told
        left = told["left"]


def _tell_secret(told: dict[str, Any], *, json: bool) -> None:
    _tell(told, f"app_id      {told['app_id']}\napp_secret  {told['app_secret']}", json=json)


def _tell(told: dict[str, Any], sentence: str, *, json: bool) -> None:
    if json:
        print_json(told)
    else:
        print(sentence)


def _path(application: str, *more: str) -> str:
    return "/".join((PATH, *(quote(part, safe="") for part in (application, *more))))
