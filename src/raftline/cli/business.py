"""`raftline business`: businesses, their numbers, and who changed what."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from raftline.cli import business_apps
from raftline.cli.connection import HERE, Target, all_pages, open_client
from raftline.cli.output import Json, folded, harmless, print_json
from raftline.cli.users import moment, parse_duration

app = App(name="business", help="Let programs of WhatsApp's Cloud API speak for businesses: who, as what, how fast.")
number_app = App(name="number", help="Give a business numbers, name and limit them, take them away.")
app.command(number_app)
app.command(business_apps.app)
app.command(business_apps.token_app)
app.command(business_apps.callback_app)
app.command(business_apps.dead_letter_app)

PATH: Final = "/admin/v1/businesses"

Business = Annotated[str, Parameter(help="Id of the business (waba_id), as `raftline business list` tells it.")]
Number = Annotated[str, Parameter(help="Id of the number (phone_number_id).")]
Digits = Annotated[str, Parameter(help="7 to 15 digits; also the name of the account that people write to.")]


@app.command
def create(
    name: Annotated[str, Parameter(help="What people see it by.")],
    /,
    *,
    number: Digits,
    callback: Annotated[str | None, Parameter(help="Where its program is told of events; must be up now.")] = None,
    verify_token: Annotated[str | None, Parameter(help="What the program at --callback knows us by.")] = None,
    valid_for: Annotated[str | None, Parameter(help="How long its token is good: a number and s, m, h or d.")] = None,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Create a business with a number, an application and a token; what programs need is printed, and never again.

    With --json: {"app_id", "app_secret", "waba_id", "phone_number_id", "token", "jid"}.

    Exit codes: 1 the number is taken, or the callback does not answer as it should.

    Example: raftline business create "Corner Shop" --number 15550001111 --json
    """
    body: dict[str, Any] = {"name": name, "number": number}
    if callback is not None or verify_token is not None:
        body |= {"callback_url": callback or "", "verify_token": verify_token or ""}
    if valid_for is not None:
        body["expires_s"] = parse_duration(valid_for)
    told = open_client(target).request("POST", PATH, body)
    if json:
        print_json(told)
        return
    print(f"Created {name}; people reach it as {told['jid']}. Its program needs:")
    for field in ("phone_number_id", "token", "app_id", "app_secret", "waba_id"):
        print(f"  {field:<16} {told[field]}")
    print("Token and app_secret are not shown again; `raftline business token issue` makes other tokens.")


@app.command(name="list")
def list_businesses(*, json: Json = False, target: Target = HERE) -> None:
    """
    List all businesses with their numbers and applications.

    Example: raftline business list --json
    """
    found = all_pages(open_client(target), PATH, "businesses")
    if json:
        print_json({"businesses": found})
        return
    table = Table(*folded("Id", "Name", "Created", "Numbers", "Applications"))
    for business in found:
        numbers = "\n".join(f"{entry['number']} ({entry['phone_number_id']})" for entry in business["numbers"])
        apps = harmless("\n".join(f"{entry['name']} ({entry['app_id']})" for entry in business["apps"]))
        created = moment(business["created_ms"])
        table.add_row(business["waba_id"], harmless(business["name"]), created, numbers, apps)
    Console(soft_wrap=True).print(table)


@app.command
def show(business: Business, /, *, json: Json = False, target: Target = HERE) -> None:
    """
    Show a business: numbers with their limits, applications with their callbacks.

    Example: raftline business show 200000000000001
    """
    told = open_client(target).request("GET", f"{PATH}/{quote(business, safe='')}")
    if json:
        print_json(told)
        return
    numbers = Table(*folded("Number", "Id", "Address", "Name", "Per second", "Per pair and minute", "Registered"))
    for entry in told["numbers"]:
        limits = (str(entry[name] or "no limit") for name in ("per_second", "pair_per_minute"))
        registered = "yes" if entry["registered"] else "no"
        name = harmless(entry["verified_name"])
        numbers.add_row(entry["number"], entry["phone_number_id"], entry["jid"], name, *limits, registered)
    apps = Table(*folded("Application", "Id", "Streams", "Callbacks"))
    for entry in told["apps"]:
        callbacks = "\n".join(
            f"{one['scope']}: {one['url']} ({', '.join(one['fields'])})" for one in entry["callbacks"]
        )
        apps.add_row(
            harmless(entry["name"]), entry["app_id"], "yes" if entry["streams"] else "no", harmless(callbacks or "-")
        )
    console = Console(soft_wrap=True)
    console.print(harmless(f"{told['name']} ({told['waba_id']}), since {moment(told['created_ms'])}"))
    console.print(numbers)
    console.print(apps)


@app.command
def delete(business: Business, /, *, json: Json = False, target: Target = HERE) -> None:
    """
    Delete a business with its applications, tokens, events and numbers, and the numbers' accounts and messages.

    Example: raftline business delete 200000000000001
    """
    open_client(target).request("DELETE", f"{PATH}/{quote(business, safe='')}")
    if json:
        print_json({"waba_id": business})
    else:
        print(f"Deleted {business}.")


@app.command
def audit(
    *,
    business: Annotated[str | None, Parameter(help="Of this business alone.")] = None,
    limit: Annotated[int, Parameter(help="How many lines.")] = 100,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Show who changed what of businesses, the latest first.

    Example: raftline business audit --limit 20
    """
    of_one = "" if business is None else f"&business={quote(business, safe='')}"
    told = open_client(target).request("GET", f"/admin/v1/business-audit?limit={limit}{of_one}")
    if json:
        print_json(told)
        return
    table = Table(*folded("When", "Business", "Who", "What", "Of what"))
    for line in told["lines"]:
        written = (line["actor"], line["action"], line["detail"])
        table.add_row(moment(line["time_ms"]), line["waba_id"] or "-", *map(harmless, written))
    Console(soft_wrap=True).print(table)


@number_app.command
def add(
    business: Business,
    number: Digits,
    /,
    *,
    name: Annotated[str | None, Parameter(help="What people see it by; without it the business's name.")] = None,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Give a business another number.

    Example: raftline business number add 200000000000001 15550002222
    """
    body = {"number": number} | ({} if name is None else {"verified_name": name})
    told = open_client(target).request("POST", f"{PATH}/{quote(business, safe='')}/numbers", body)
    if json:
        print_json(told)
    else:
        print(f"Added {told['jid']}, phone_number_id {told['phone_number_id']}.")


@number_app.command
def remove(number: Number, /, *, json: Json = False, target: Target = HERE) -> None:
    """
    Take a number from its business; its account and messages go as well.

    Example: raftline business number remove 300000000000002
    """
    open_client(target).request("DELETE", f"/admin/v1/numbers/{quote(number, safe='')}")
    if json:
        print_json({"phone_number_id": number})
    else:
        print(f"Removed {number}.")


@number_app.command
def limit(
    number: Number,
    /,
    *,
    per_second: Annotated[int | None, Parameter(help="Messages that it may send in a second; 0 for no limit.")] = None,
    pair_per_minute: Annotated[
        int | None, Parameter(help="Messages that it may send to one person in a minute; 0 for no limit.")
    ] = None,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Limit how fast a number may send; what is not named stays. Over a limit programs get 130429 or 131056.

    Example: raftline business number limit 300000000000001 --per-second 80
    """
    named = {"per_second": per_second, "pair_per_minute": pair_per_minute}
    told = _change(target, number, {name: value for name, value in named.items() if value is not None})
    if json:
        print_json(told)
    else:
        limits = [str(told[name] or "no limit") for name in named]
        print(f"{told['number']}: per second {limits[0]}; per pair and minute {limits[1]}.")


@number_app.command
def rename(
    number: Number,
    name: Annotated[str, Parameter(help="What people are to see it by.")],
    /,
    *,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Give a number another verified name.

    Example: raftline business number rename 300000000000001 "Corner Shop Orders"
    """
    told = _change(target, number, {"verified_name": name})
    if json:
        print_json(told)
    else:
        print(harmless(f"{told['number']} is seen as {told['verified_name']}.").plain)


def _change(target: Target, number: str, body: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = open_client(target).request("PATCH", f"/admin/v1/numbers/{quote(number, safe='')}", body)
    return told
