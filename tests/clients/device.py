"""
What the tests ask of any chat client: one small interface, and one driver of it for each client.

A `Device` is one running client of one account, unmodified and with its own settings; it is told where the server is
and which authority to trust, as an operator would tell his users, and nothing else. What it shows is what its user
would see: the screen of a terminal, the page of a browser, what a library hands to the program that uses it.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from integration.cluster_process import wait_until

if TYPE_CHECKING:
    from playwright.async_api import Browser

SHOW_TIMEOUT_S = 20.0
DOMAIN = "localhost"


class Security(enum.Enum):
    """How a client comes to a node."""

    STARTTLS = "STARTTLS"
    DIRECT_TLS = "direct TLS"
    WEBSOCKET = "WebSocket"


class Door(Protocol):
    """Where a node listens: `cluster.node(k)`, or a `Front` that stands before all of them."""

    @property
    def xmpp(self) -> int:
        """Port of XMPP with STARTTLS."""

    @property
    def xmpps(self) -> int:
        """Port of XMPP over direct TLS."""

    @property
    def http(self) -> int:
        """Port of the web client and of XMPP over WebSocket."""


@dataclass(frozen=True)
class Account:
    """A registered user."""

    username: str
    password: str

    @property
    def jid(self) -> str:
        """Bare JID."""
        return f"{self.username}@{DOMAIN}"


@dataclass(frozen=True)
class Surroundings:
    """
    What drivers need of the test run.

    Attributes:
        folder: Where a client may keep its files; each device gets its own below.
        ca_file: The authority to trust (PEM).
        browser: Launches the browser, once for all devices.
    """

    folder: Path
    ca_file: Path
    browser: Callable[[], Awaitable[Browser]]


class Device(Protocol):
    """
    One running client. Every method waits until its effect can be seen, and fails when that takes too long.

    Attributes:
        returns: How the device came back each time its connection broke: "resumes" the session (XEP-0198), or "signs in
            again".
    """

    returns: list[str]

    async def sign_in(self, door: Door, security: Security) -> None:
        """Connect, authenticate, and be online."""

    async def sign_out(self) -> None:
        """Go offline in order; the device can sign in again."""

    async def close(self) -> None:
        """End the program. Never fails."""

    def state(self) -> str:
        """What a person would look at when something goes wrong, as far as words can tell."""

    async def take_picture(self, stem: Path) -> None:
        """Keep what is on the screen in a file of that name and a suffix of the device's choice."""

    async def add_contact(self, jid: str) -> None:
        """Put somebody on the roster and ask to see their presence."""

    async def accept_contact(self, jid: str) -> None:
        """Let somebody who asked see the account's presence."""

    async def wait_contact(self, jid: str) -> None:
        """Wait until the roster shows somebody whose presence can be seen and who sees ours."""

    async def wait_presence(self, jid: str, *, is_available: bool) -> None:
        """Wait until a contact is shown as available, or as not."""

    async def say(self, jid: str, text: str) -> None:
        """Write a message to somebody."""

    async def wait_shown(self, jid: str, text: str) -> None:
        """Wait until the conversation with somebody shows a text."""

    async def shown(self, jid: str) -> list[str]:
        """The conversation with somebody as it is shown, oldest first."""

    async def open_history(self, jid: str) -> None:
        """Do what a user does to see what was said before this device was there."""

    async def join_room(self, room: str, nick: str) -> None:
        """Enter a room (XEP-0045)."""

    async def say_in_room(self, room: str, text: str) -> None:
        """Write a message to a room."""

    async def wait_shown_in_room(self, room: str, text: str) -> None:
        """Wait until a room shows a text."""

    async def send_file(self, jid: str, file: Path) -> None:
        """Upload a file and give somebody the link (XEP-0363)."""

    async def publish_avatar(self, file: Path) -> None:
        """Publish a picture (PNG) as the account's avatar."""

    async def wait_avatar(self, jid: str, picture: bytes) -> None:
        """Wait until a contact has this picture (PNG)."""

    async def block(self, jid: str) -> None:
        """Block somebody."""

    async def unblock(self, jid: str) -> None:
        """Let somebody through again."""

    async def wait_blocked(self, jids: set[str]) -> None:
        """Wait until the list of blocked addresses is this one."""

    async def publish_name(self, name: str) -> None:
        """Publish a full name on the account's card (XEP-0054)."""

    async def wait_name(self, jid: str, name: str) -> None:
        """Wait until somebody's card, as it is shown, bears a full name."""


@dataclass(frozen=True)
class Client:
    """
    A client and its driver.

    Attributes:
        name: As its makers write it.
        version: Returns the version that is tested here.
        absence: Returns what must be installed to run it; empty if all is there.
        security: How it signs in when the scenario does not say how.
        open: Starts a device.
        lacks: Scenarios it has nothing for, each with the reason.
        remarks: What its users must know about scenarios that it does.
    """

    name: str
    version: Callable[[], str]
    absence: Callable[[], str]
    security: Security
    open: Callable[[Account, Surroundings], Awaitable[Device]]
    lacks: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)


class Conversations:
    """
    What a program on top of a library shows of its messages.

    The same id shows once, as XEP-0359 wants: a session that resumes may get again what it did not acknowledge.
    """

    def __init__(self) -> None:
        self._texts: dict[str, dict[str, str]] = {}

    def note(self, jid: str, message_id: str, text: str) -> None:
        """A message to or from somebody (bare JID)."""
        self._texts.setdefault(jid, {}).setdefault(message_id, text)

    def of(self, jid: str) -> list[str]:
        """The conversation with somebody, in the order in which it was noted."""
        return list(self._texts.get(jid, {}).values())

    def __str__(self) -> str:
        return str(self._texts)


async def wait_for(device: Device, what: str, probe: Callable[[], Awaitable[bool]], pause_s: float = 0.05) -> None:
    """Ask `probe` until it is true; a failure tells what the device shows."""
    try:
        await wait_until(what, probe, SHOW_TIMEOUT_S, pause_s)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{device.state()}") from error


async def wait_true(device: Device, what: str, probe: Callable[[], bool]) -> None:
    """The same for a probe that answers at once."""

    async def ask() -> bool:
        return probe()

    await wait_for(device, what, ask, pause_s=0.01)
