"""`raftline user invite`, `invitations` and `uninvite` against a real HTTP server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.serving import raftline, serve
from raftline.cli.users import parse_duration
from raftline.server.failures import ExitCode, Failure
from web.application import TOKEN, Application


async def test_a_link_is_printed(application: Application, server: tuple[str, ...]) -> None:
    """The link alone in its line, that of a page for browsers, and until when both are good."""
    invited = await raftline("user", "invite", "--name", "Anna", "--valid-for", "2h", *server)
    assert invited.code == 0, invited.err
    link, page, until = invited.out.splitlines()
    assert page == f"https://one.example.org:5443/invite/#{link.removeprefix('xmpp:')}"
    assert link.startswith("xmpp:anna@example.org?register;preauth=")
    assert until == "Good once, until 1970-01-01 02:00 UTC. Whoever has the link can use it."
    [action] = application.door.invites.values()
    assert (action.username, action.lifetime_ms) == ("anna", 7_200_000)


async def test_without_https_there_is_no_page(tmp_path: Path) -> None:
    """A development cluster prints the link alone."""
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    async with serve(Application(tmp_path, page_url="").app) as port:
        invited = await raftline(
            "user", "invite", "--server", f"http://127.0.0.1:{port}", "--token-file", str(tmp_path / "token")
        )
    assert len(invited.out.splitlines()) == 2


async def test_json(server: tuple[str, ...]) -> None:
    """For programs, with the moment in milliseconds."""
    invited = await raftline("user", "invite", "--json", *server)
    told = json.loads(invited.out)
    assert set(told) == {"uri", "landing_url", "username", "expires_ms"}
    assert told["uri"].startswith("xmpp:example.org?register;preauth=")
    assert (told["username"], told["expires_ms"]) == (None, 1_000 + 7 * 86_400_000)


async def test_listed_and_taken_back(application: Application, server: tuple[str, ...]) -> None:
    """By its id; a second time there is nothing to take back."""
    await raftline("user", "invite", "--name", "anna", *server)
    [digest] = application.door.invites
    listed = await raftline("user", "invitations", *server)
    assert listed.code == 0, listed.err
    assert digest.hex() in listed.out
    assert "anna" in listed.out
    taken = await raftline("user", "uninvite", digest.hex(), *server)
    assert (taken.code, taken.out) == (0, "The invitation is taken back.\n")
    again = await raftline("user", "uninvite", digest.hex(), *server)
    assert again.code == ExitCode.REFUSED


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5h", "7 d", "٣d"])
async def test_what_is_no_duration(text: str) -> None:
    """It is told, and nothing is asked of a server."""
    with pytest.raises(Failure) as caught:
        parse_duration(text)
    assert caught.value.code is ExitCode.USAGE


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1_800), ("12h", 43_200), ("7d", 604_800)])
def test_durations(text: str, seconds: int) -> None:
    """Each unit."""
    assert parse_duration(text) == seconds
