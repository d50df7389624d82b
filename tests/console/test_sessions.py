"""Signed values: who may have them, how long they are good, and that nobody makes them but us."""

from __future__ import annotations

import base64

import msgspec
import pytest

from raftline.console.sessions import (
    CLOCK_SKEW_MS_MAX,
    LOGIN_LIFETIME_MS,
    PASS_LIFETIME_MS,
    TEXT_LENGTH_MAX,
    Login,
    Sessions,
)
from raftline.machine.commands import Credential

START_MS = 1_700_000_000_000


class Clock:
    """A wall clock, and who is an administrator."""

    def __init__(self) -> None:
        self.ms = START_MS
        self.administrators = {"anna"}
        self.drawn = 0

    def sessions(self, key: bytes = b"key") -> Sessions:
        """Those of a node."""
        return Sessions(
            key,
            wall_ms=lambda: self.ms,
            entropy=self.draw,
            is_administrator=lambda account: account in self.administrators,
        )

    def draw(self, count: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(count)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_pass_is_good_on_every_node(clock: Clock) -> None:
    """Nodes share the key and nothing else."""
    one, two = clock.sessions(), clock.sessions()
    login = one.begin("anna", b"proof")
    text = one.sign(one.pass_of(login))
    assert two.admits(text)
    assert two.read(text) is not None
    assert not clock.sessions(b"another key").admits(text)
    assert one.sign(login) != one.sign(login)


def test_a_cookie_is_no_pass(clock: Clock) -> None:
    """Browsers send it by themselves, so it must not be able to do anything."""
    sessions = clock.sessions()
    text = sessions.sign(sessions.begin("anna", b""))
    assert sessions.read(text) is not None
    assert not sessions.admits(text)


def test_a_pass_ends(clock: Clock) -> None:
    """After its time to the millisecond; renewed ones with the login at the latest."""
    sessions = clock.sessions()
    login = sessions.begin("anna", b"")
    text = sessions.sign(sessions.pass_of(login))
    clock.ms = START_MS + PASS_LIFETIME_MS - 1
    assert sessions.admits(text)
    clock.ms += 1
    assert not sessions.admits(text)
    clock.ms = START_MS + LOGIN_LIFETIME_MS - 1000
    assert sessions.pass_of(login).until_ms == START_MS + LOGIN_LIFETIME_MS
    clock.ms += 1000
    assert sessions.read(sessions.sign(login)) is None


def test_a_clock_that_is_ahead_is_tolerated(clock: Clock) -> None:
    """Of the node that signed: by a minute."""
    sessions = clock.sessions()
    text = sessions.sign(sessions.pass_of(sessions.begin("anna", b"")))
    clock.ms = START_MS - CLOCK_SKEW_MS_MAX
    assert sessions.admits(text)
    clock.ms -= 1
    assert not sessions.admits(text)


def test_who_is_no_administrator_any_more_is_out(clock: Clock) -> None:
    """At once, where the settings say so; the token's holder is none of them."""
    sessions = clock.sessions()
    by_account, by_token = (sessions.sign(sessions.pass_of(sessions.begin(name, b""))) for name in ("anna", ""))
    assert sessions.admits(by_account)
    clock.administrators.clear()
    assert not sessions.admits(by_account)
    assert sessions.admits(by_token)


def test_what_was_altered_is_refused(clock: Clock) -> None:
    """Each bit of content and signature counts; nonsense of all kinds is no error."""
    sessions = clock.sessions()
    text = sessions.sign(sessions.pass_of(sessions.begin("anna", b"")))
    data = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    for place in range(len(data)):
        data[place] ^= 1
        assert not sessions.admits(base64.urlsafe_b64encode(data).decode().rstrip("="))
        data[place] ^= 1
    forged = msgspec.msgpack.encode(Login("anna", START_MS, START_MS + 10**9, b"", is_cookie=False))
    for nonsense in ("", "x", "ä", "a b", "A" * TEXT_LENGTH_MAX, "A" * (TEXT_LENGTH_MAX + 1), forged.hex()):
        assert sessions.read(nonsense) is None


def test_a_proof_is_of_one_password(clock: Clock) -> None:
    """The same on all nodes of a cluster; it tells nobody what the password is."""
    old, new = (Credential("SCRAM-SHA-256", b"salt", 1, key, b"") for key in (b"old", b"new"))
    sessions = clock.sessions()
    assert sessions.proof_of(old) == clock.sessions().proof_of(old)
    assert sessions.proof_of(old) != sessions.proof_of(new)
    assert sessions.proof_of(old) != clock.sessions(b"another").proof_of(old)
