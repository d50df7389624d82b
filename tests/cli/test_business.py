"""`raftline business` against a real HTTP server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.serving import raftline
from raftline.server.failures import ExitCode
from raftline.web.businesses.views import app_id_of
from web.application import Application

pytestmark = pytest.mark.timeout(120)

CREATE = ("business", "create", "Corner Shop", "--number", "15550001111")
CALLBACK = "https://bot.example.org/hook"


async def told(*arguments: str) -> Any:
    """What a command says to a program, when all goes well."""
    ended = await raftline(*arguments, "--json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


async def test_created(application: Application, server: tuple[str, ...]) -> None:
    """For programs exactly what they need to speak for it; for people the same in words, and that it is told once."""
    made = await told(*CREATE, "--callback", CALLBACK, "--verify-token", "xyzzy", *server)
    assert list(made) == ["app_id", "app_secret", "waba_id", "phone_number_id", "token", "jid"]
    assert application.challenged == [(CALLBACK, "xyzzy")]
    again = await raftline(*CREATE, *server)
    assert again.code == ExitCode.REFUSED
    other = await raftline("business", "create", "Bank", "--number", "15550009999", "--valid-for", "1d", *server)
    assert other.code == 0, other.err
    for word in ("15550009999@example.org", "phone_number_id", "app_secret", "not shown again"):
        assert word in other.out
    state = application.door.businesses
    expiries = [
        token.expires_ms for view in state.businesses() for token in state.tokens_of(app_id_of(view.apps[0][0]))
    ]
    assert expiries == [0, application.wall_ms + 24 * 60 * 60 * 1000]


async def test_looked_at_and_deleted(server: tuple[str, ...]) -> None:
    """The list and the whole of one, for people and programs; names are shown as they are."""
    made = await told("business", "create", "[red]Shop[/red]", "--number", "15550001111", *server)
    listed = await raftline("business", "list", *server)
    assert "[red]Shop[/red]" in listed.out
    assert made["waba_id"] in listed.out
    shown = await raftline("business", "show", made["waba_id"], *server)
    for word in (made["app_id"], made["phone_number_id"], made["jid"], "no limit"):
        assert word in shown.out
    assert made["token"] not in listed.out + shown.out
    assert (await told("business", "list", *server))["businesses"] == [
        await told("business", "show", made["waba_id"], *server)
    ]
    audit = await raftline("business", "audit", *server)
    assert "admin" in audit.out
    assert len((await told("business", "audit", "--business", made["waba_id"], *server))["lines"]) == 1
    assert await told("business", "delete", made["waba_id"], *server) == {"waba_id": made["waba_id"]}
    assert (await raftline("business", "show", made["waba_id"], *server)).code == ExitCode.REFUSED


async def test_numbers(server: tuple[str, ...]) -> None:
    """Added, limited, renamed, removed."""
    made = await told(*CREATE, *server)
    added = await told("business", "number", "add", made["waba_id"], "15550002222", "--name", "Orders", *server)
    number = added["phone_number_id"]
    limited = await told("business", "number", "limit", number, "--per-second", "80", *server)
    assert (limited["per_second"], limited["pair_per_minute"]) == (80, 0)
    renamed = await raftline("business", "number", "rename", number, "Sales", *server)
    assert renamed.out == "15550002222 is seen as Sales.\n"
    assert await told("business", "number", "remove", number, *server) == {"phone_number_id": number}
    refused = await raftline("business", "number", "limit", number, "--per-second", "1", *server)
    assert refused.code == ExitCode.REFUSED
    assert "no such" in refused.err


async def test_applications_and_tokens(application: Application, server: tuple[str, ...]) -> None:
    """Added, given another secret, tokens with scopes and an end; what is told once is not told again."""
    made = await told(*CREATE, *server)
    app = await told("business", "app", "add", made["waba_id"], "Desk", *server)
    rotated = await told("business", "app", "rotate-secret", app["app_id"], *server)
    assert rotated["app_secret"] != app["app_secret"]
    assert (await told("business", "app", "streams", app["app_id"], *server))["streams"] is True
    assert (await told("business", "app", "streams", app["app_id"], "--off", *server))["streams"] is False
    scope = "whatsapp_business_messaging"
    issued = await told(
        *("business", "token", "issue", app["app_id"], "--label", "bot", "--scope", scope, "--valid-for", "2h"), *server
    )
    assert (issued["label"], issued["scopes"]) == ("bot", [scope])
    assert issued["expires_ms"] == application.wall_ms + 2 * 60 * 60 * 1000
    listed = await raftline("business", "token", "list", app["app_id"], *server)
    assert "bot" in listed.out
    assert issued["token"] not in listed.out
    await told("business", "token", "revoke", app["app_id"], issued["token_id"], *server)
    assert (await told("business", "token", "list", app["app_id"], *server))["tokens"] == []
    assert await told("business", "app", "remove", app["app_id"], *server) == {"app_id": app["app_id"]}


async def test_callbacks(application: Application, server: tuple[str, ...]) -> None:
    """Set for what is asked, and removed."""
    made = await told(*CREATE, *server)
    of_number = ("--scope", made["phone_number_id"])
    await told("business", "callback", "set", made["app_id"], CALLBACK, "--verify-token", "x", *of_number, *server)
    said = await told(
        *("business", "callback", "set", made["app_id"], CALLBACK, "--verify-token", "x"),
        *("--field", "messages", "--field", "calls", *server),
    )
    assert {one["scope"]: one["fields"] for one in said["callbacks"]}["app"] == ["calls", "messages"]
    assert application.challenged == 2 * [(CALLBACK, "x")]
    removed = await told("business", "callback", "remove", made["app_id"], *of_number, *server)
    assert removed == {"app_id": made["app_id"], "scope": made["phone_number_id"]}
    assert (await raftline("business", "callback", "remove", made["app_id"], *of_number, *server)).code == 1


async def test_dead_letters(application: Application, server: tuple[str, ...]) -> None:
    """Listed, delivered anew, forgotten: by id, or all of them, which has to be said."""
    made = await told(*CREATE, "--callback", CALLBACK, "--verify-token", "x", *server)
    state = application.door.businesses
    state.let_die("15550001111", 4)
    first, second, *_ = (
        letter["id"]
        for letter in (await told("business", "dead-letters", "list", made["app_id"], *server))["dead_letters"]
    )
    listed = await raftline("business", "dead-letters", "list", made["app_id"], *server)
    for word in (first, "message", "ann@example.org", CALLBACK):
        assert word in listed.out
    assert await told("business", "dead-letters", "replay", made["app_id"], first, *server) == {"left": 3}
    assert state.waiting() == [first]
    assert await told("business", "dead-letters", "discard", made["app_id"], second, *server) == {"left": 2}
    unsaid = await raftline("business", "dead-letters", "discard", made["app_id"], *server)
    assert unsaid.code == ExitCode.USAGE
    assert await told("business", "dead-letters", "discard", made["app_id"], "--all", *server) == {"left": 0}
    state.let_die("15550001111", 2)
    assert await told("business", "dead-letters", "replay", made["app_id"], "--all", *server) == {"left": 0}
    assert len(state.waiting()) == 3, "the first one died once more"
