"""profanity: a chat client for the terminal, as Debian builds it, used with the keyboard and read off its screen."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from clients.device import Account, Client, Door, Security, Surroundings, wait_for
from clients.terminal import COLUMNS, Terminal

PROGRAM: Final = "profanity"
CONSOLE: Final = "/win 1"
MESSAGE: Final = re.compile(r"(?:\S+ )?\d\d:\d\d:\d\d - (?P<who>[^ :]+): (?P<text>.*)")
"""A line of a conversation; what is late has its date in front."""

ROSTER_COLUMN: Final = COLUMNS * 3 // 4
"""Where the roster begins, beside the console."""

LACKS_HISTORY: Final = (
    "This version looks for the archive on the server instead of the account (XEP-0313 section 7). It would show each "
    "page twice: its `<after/>` stands outside of the element that pages are asked with."
)
LACKS_NAMES: Final = "The client has no command for cards."
TLS_POLICIES: Final = {Security.STARTTLS: "force", Security.DIRECT_TLS: "legacy"}


class ProfanityDevice:
    """
    Implements device.Device on a terminal.

    It has a console, where commands answer, and a window for each conversation, whose title tells the presence of the
    contact. A command is typed into the console after that was cleared, so that what stands there is its answer.
    """

    def __init__(self, account: Account, home: Path, ca_directory: Path) -> None:
        self.account = account
        self._home = home
        self._ca_directory = ca_directory
        self._terminal = Terminal(
            [PROGRAM, "--log", "DEBUG"], {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        )

    # -- connection

    async def sign_in(self, door: Door, security: Security) -> None:
        """As device.Device."""
        port = door.xmpps if security is Security.DIRECT_TLS else door.xmpp
        await self._wait_lines("the first screen", lambda lines: any("Type '/help'" in line for line in lines))
        self._terminal.type_line(f"/tls certpath set {self._ca_directory}")
        self._terminal.type_line("/reconnect 1")
        self._terminal.type_line(
            f"/connect {self.account.jid} server 127.0.0.1 port {port} tls {TLS_POLICIES[security]}"
        )
        await self._wait_lines(
            "a prompt for the password", lambda lines: any("Enter password:" in line for line in lines)
        )
        self._terminal.type_line(self.account.password)
        await self._wait_lines("signed in", lambda lines: lines[0].endswith("[TLS] [online]"))

    async def sign_out(self) -> None:
        """As device.Device."""
        self._terminal.type_line("/disconnect")
        await self._wait_lines("signed out", lambda lines: lines[0].endswith("[offline]"))

    async def close(self) -> None:
        """As device.Device."""
        await self._terminal.close()

    @property
    def returns(self) -> list[str]:
        """As device.Device; the log tells what the screen does not."""
        log = (self._home / ".local/share/profanity/logs/profanity.log").read_text(encoding="utf-8", errors="replace")
        lost = log.partition("Lost connection for unknown reason")[2]
        found = []
        for line in lost.splitlines():
            if "RECV: <resumed" in line:
                found.append("resumes")
            elif "RECV: <enabled" in line:
                found.append("signs in again")
        return found

    def state(self) -> str:
        """As device.Device."""
        return "\n".join(line for line in self._terminal.lines() if line)

    async def take_picture(self, stem: Path) -> None:
        """As device.Device."""
        stem.with_suffix(".txt").write_text(self.state(), encoding="utf-8")

    # -- contacts

    async def add_contact(self, jid: str) -> None:
        """As device.Device."""
        await self._command(f"/sub request {jid}", f"Sent subscription request to {jid}.")

    async def accept_contact(self, jid: str) -> None:
        """As device.Device; waits to be asked."""
        await self._ask_until("/sub received", lambda answers: any(jid in answer for answer in answers))
        await self._command(f"/sub allow {jid}", f"Accepted subscription for {jid}")

    async def wait_contact(self, jid: str) -> None:
        """As device.Device."""
        await self._ask_until(f"/sub show {jid}", lambda answers: f"{jid} subscription status: both." in answers)

    async def wait_presence(self, jid: str, *, is_available: bool) -> None:
        """As device.Device."""
        title = f" {jid} [{'online' if is_available else 'offline'}]"
        await self._open_conversation(jid)
        await self._wait_lines(title, lambda lines: lines[0].startswith(title))

    # -- conversations

    async def say(self, jid: str, text: str) -> None:
        """As device.Device."""
        await self._open_conversation(jid)
        self._terminal.type_line(f"/msg {jid} {text}")
        await self.wait_shown(jid, text)

    async def wait_shown(self, jid: str, text: str) -> None:
        """As device.Device."""
        await self._open_conversation(jid)
        await self._wait_lines(f"{text!r} of {jid}", lambda lines: text in conversation(lines, jid))

    async def shown(self, jid: str) -> list[str]:
        """As device.Device."""
        await self._open_conversation(jid)
        return conversation(self._terminal.lines(), jid)

    async def open_history(self, jid: str) -> None:
        """As device.Device."""
        raise NotImplementedError(LACKS_HISTORY)

    async def _open_conversation(self, jid: str) -> None:
        """From the console, since in a room `/msg` looks for an occupant of that name."""

        def is_open(lines: list[str]) -> bool:
            return lines[0].startswith(f" {jid} ")

        if not is_open(self._terminal.lines()):
            for line in (CONSOLE, f"/msg {jid}"):
                self._terminal.type_line(line)
        await self._wait_lines(f"the conversation with {jid}", is_open)

    async def join_room(self, room: str, nick: str) -> None:
        """As device.Device."""
        self._terminal.type_line(f"/join {room} nick {nick}")
        joined = f"You have joined the room as {nick}"
        await self._wait_lines(f"in {room}", lambda lines: any(joined in line for line in lines))

    async def say_in_room(self, room: str, text: str) -> None:
        """As device.Device."""
        self._terminal.type_line(f"/win {room}")
        self._terminal.type_line(text)

    async def wait_shown_in_room(self, room: str, text: str) -> None:
        """As device.Device."""
        self._terminal.type_line(f"/win {room}")
        await self._wait_lines(
            f"{text!r} in {room}", lambda lines: any(f": {text}" in line[:ROSTER_COLUMN] for line in lines)
        )

    # -- the rest

    async def send_file(self, jid: str, file: Path) -> None:
        """As device.Device."""
        await self._open_conversation(jid)
        self._terminal.type_line(f'/sendfile "{file}"')
        await self._wait_lines(
            f"a link to {file.name}",
            lambda lines: any(text.startswith("https://") for text in conversation(lines, jid)),
        )

    async def publish_avatar(self, file: Path) -> None:
        """As device.Device."""
        await self._command(f"/avatar set {file}", "Avatar updated successfully")

    async def wait_avatar(self, jid: str, picture: bytes) -> None:
        """As device.Device; the picture is saved as a file."""

        async def probe() -> bool:
            self._type_into_console(f"/avatar get {jid}")
            return any(path.read_bytes() == picture for path in self._home.rglob("*.png"))

        await wait_for(self, f"the picture of {jid}", probe, pause_s=0.3)

    async def block(self, jid: str) -> None:
        """As device.Device."""
        await self._command(f"/blocked add {jid}", f"User {jid} successfully blocked.")

    async def unblock(self, jid: str) -> None:
        """As device.Device."""
        await self._command(f"/blocked remove {jid}", f"User {jid} successfully unblocked.")

    async def wait_blocked(self, jids: set[str]) -> None:
        """As device.Device."""
        expected = ["Blocked users:", *(f"  {jid}" for jid in sorted(jids))] if jids else ["No blocked users."]
        await self._ask_until("/blocked", lambda answers: answers == expected)

    async def publish_name(self, name: str) -> None:
        """As device.Device."""
        raise NotImplementedError(LACKS_NAMES)

    async def wait_name(self, jid: str, name: str) -> None:
        """As device.Device."""
        raise NotImplementedError(LACKS_NAMES)

    # -- the screen

    async def _command(self, command: str, answer: str) -> None:
        """Type a command into the console and wait until it says this."""
        self._type_into_console(command)
        await self._wait_lines(f"{answer!r} after {command}", lambda lines: answer in console(lines))

    async def _ask_until(self, command: str, accept: Callable[[list[str]], bool]) -> None:
        """Type a command again and again until its answer is accepted."""

        async def probe() -> bool:
            self._type_into_console(command)
            await self._wait_lines(f"an answer to {command}", lambda lines: bool(console(lines)))
            return accept(console(self._terminal.lines()))

        await wait_for(self, f"another answer to {command}", probe, pause_s=0.2)

    def _type_into_console(self, command: str) -> None:
        for line in (CONSOLE, "/clear", command):
            self._terminal.type_line(line)

    async def _wait_lines(self, what: str, accept: Callable[[list[str]], bool]) -> None:
        async def probe() -> bool:
            assert self._terminal.is_running, f"profanity has ended\n{self.state()}"
            return accept(self._terminal.lines())

        await wait_for(self, what, probe)


def console(lines: list[str]) -> list[str]:
    """What stands in the console without times and without the roster beside it."""
    left = [line[:ROSTER_COLUMN].rstrip() for line in lines[1:-2]]
    return [line.partition(" - ")[2] for line in left if " - " in line]


def conversation(lines: list[str], jid: str) -> list[str]:
    """The texts of the conversation on the screen, ours and those of its partner."""
    found = [MESSAGE.fullmatch(line) for line in lines[1:-1]]
    return [match["text"] for match in found if match and match["who"].partition("/")[0] in {"me", jid}]


def absence() -> str:
    """As device.Client.absence."""
    missing = [name for name in (PROGRAM, "openssl") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not installed (Debian packages profanity-light, openssl)" if missing else ""


@functools.cache
def version() -> str:
    """As device.Client.version."""
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.partition("version ")[2].split()[0]


async def open_device(account: Account, surroundings: Surroundings) -> ProfanityDevice:
    """As device.Client.open: an empty home, and a directory of trusted certificates as OpenSSL wants it."""
    home = surroundings.folder / f"profanity-{account.username}-{secrets.token_hex(2)}"
    ca_directory = home / "certificates"
    ca_directory.mkdir(parents=True)
    shutil.copyfile(surroundings.ca_file, ca_directory / "authority.pem")
    await asyncio.to_thread(
        subprocess.run, ["openssl", "rehash", str(ca_directory)], check=True, capture_output=True, timeout=10
    )
    return ProfanityDevice(account, home, ca_directory)


PROFANITY = Client(
    name="profanity",
    version=version,
    absence=absence,
    security=Security.STARTTLS,
    open=open_device,
    lacks={
        "websocket": "The client speaks TCP alone.",
        "history": LACKS_HISTORY,
        "names": LACKS_NAMES,
    },
    remarks={
        "killed_node": "After `/reconnect 1`; by itself the client waits 30 s before it tries again.",
    },
)
