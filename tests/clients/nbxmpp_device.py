"""nbxmpp: the library under Gajim. It runs in a process of Debian's Python (`nbxmpp_process.py`), driven from here."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import itertools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from clients.device import (
    DOMAIN,
    Account,
    Client,
    Conversations,
    Door,
    Security,
    Surroundings,
    wait_for,
    wait_true,
)

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ROOT / "build" / "clients"
"""Where the Makefile puts the library and what it needs besides GLib."""

SYSTEM_PYTHON = "/usr/bin/python3"
PROGRAM = Path(__file__).with_name("nbxmpp_process.py")
PROBE = "import gi; gi.require_version('Soup', '3.0'); from gi.repository import Gio, Soup; import nbxmpp.client; {}"
HAS_TLS = "assert Gio.TlsBackend.get_default().supports_tls()"
END_TIMEOUT_S = 5.0


class NbxmppDevice:
    """Implements device.Device on a process; see there."""

    def __init__(self, account: Account, process: asyncio.subprocess.Process) -> None:
        self.account = account
        self.returns: list[str] = []
        self._process = process
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._is_online = False
        self._notes: list[str] = []
        self._conversations = Conversations()
        self._contacts: dict[str, str] = {}
        self._available: set[str] = set()
        self._blocked: set[str] = set()
        self._reader = asyncio.get_running_loop().create_task(self._read())

    # -- the process

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            found = json.loads(line)
            if "event" in found:
                self._on_event(found)
                continue
            answer = self._answers.pop(found["id"])
            if "error" in found:
                answer.set_exception(AssertionError(f"{found['error']}\n{self.state()}"))
            else:
                answer.set_result(found["result"])

    async def _call(self, name: str, *arguments: str) -> Any:
        assert self._process.stdin is not None
        call_id = next(self._ids)
        answer = self._answers[call_id] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": call_id, "call": name, "arguments": arguments})
        self._process.stdin.write(line.encode() + b"\n")
        await wait_true(self, f"an answer to {name}", answer.done)
        return answer.result()

    def _on_event(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "online":
                self._is_online = True
                if event["how"]:
                    self.returns.append(event["how"])
            case "offline":
                self._is_online = False
                self._notes.append(event["why"])
            case "message":
                self._conversations.note(event["jid"], event["id"], event["text"])
            case "contact":
                self._contacts[event["jid"]] = event["subscription"]
            case "presence":
                (self._available.add if event["is_available"] else self._available.discard)(event["jid"])

    # -- connection

    async def sign_in(self, door: Door, security: Security) -> None:
        """As device.Device."""
        address = {
            Security.STARTTLS: f"127.0.0.1:{door.xmpp}",
            Security.DIRECT_TLS: f"127.0.0.1:{door.xmpps}",
            Security.WEBSOCKET: f"ws://127.0.0.1:{door.http}/xmpp-websocket",
        }[security]
        await self._call("sign_in", self.account.username, DOMAIN, self.account.password, address, security.value)
        await wait_true(self, "signed in", lambda: self._is_online)

    async def sign_out(self) -> None:
        """As device.Device."""
        await self._call("sign_out")
        await wait_true(self, "signed out", lambda: not self._is_online)

    async def close(self) -> None:
        """As device.Device."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader

    def state(self) -> str:
        """As device.Device."""
        return f"online: {self._is_online}, notes: {self._notes}\nconversations: {self._conversations}"

    async def take_picture(self, stem: Path) -> None:
        """As device.Device."""
        stem.with_suffix(".txt").write_text(self.state(), encoding="utf-8")

    # -- contacts

    async def add_contact(self, jid: str) -> None:
        """As device.Device."""
        await self._call("subscribe", jid)

    async def accept_contact(self, jid: str) -> None:
        """As device.Device; the process agrees to whoever asks."""

    async def wait_contact(self, jid: str) -> None:
        """As device.Device."""
        await wait_true(self, f"{jid} on the roster", lambda: self._contacts.get(jid) == "both")

    async def wait_presence(self, jid: str, *, is_available: bool) -> None:
        """As device.Device."""

        def probe() -> bool:
            return any(full.startswith(f"{jid}/") for full in self._available) == is_available

        await wait_true(self, f"{jid} available: {is_available}", probe)

    # -- conversations

    async def say(self, jid: str, text: str) -> None:
        """As device.Device."""
        self._conversations.note(jid, await self._call("say", jid, text), text)

    async def wait_shown(self, jid: str, text: str) -> None:
        """As device.Device."""
        await wait_true(self, f"{text!r} of {jid}", lambda: text in self._conversations.of(jid))

    async def shown(self, jid: str) -> list[str]:
        """As device.Device."""
        return self._conversations.of(jid)

    async def open_history(self, jid: str) -> None:
        """As device.Device."""
        for message in await self._call("history", jid):
            self._conversations.note(jid, message["id"], message["text"])

    async def join_room(self, room: str, nick: str) -> None:
        """As device.Device."""
        await self._call("join_room", room, nick)
        await wait_true(self, f"in {room}", lambda: f"{room}/{nick}" in self._available)

    async def say_in_room(self, room: str, text: str) -> None:
        """As device.Device."""
        await self._call("say_in_room", room, text)

    async def wait_shown_in_room(self, room: str, text: str) -> None:
        """As device.Device."""
        await self.wait_shown(room, text)

    # -- the rest

    async def send_file(self, jid: str, file: Path) -> None:
        """As device.Device."""
        hosts = await self._call("hosts", DOMAIN)
        uploads = [host for host in hosts if await self._call("takes_files", host)]
        assert uploads, f"nobody takes files: {hosts}\n{self.state()}"
        slot = await self._call("slot", uploads[0], str(file))
        await self._call("put", slot["put"], str(file))
        await self._call("say_link", jid, slot["get"])
        self._conversations.note(jid, slot["get"], slot["get"])

    async def publish_avatar(self, file: Path) -> None:
        """As device.Device."""
        await self._call("publish_avatar", base64.b64encode(file.read_bytes()).decode())

    async def wait_avatar(self, jid: str, picture: bytes) -> None:
        """As device.Device."""

        async def probe() -> bool:
            try:
                found = await self._call("avatar_of", jid, hashlib.sha1(picture).hexdigest())
            except AssertionError as error:
                if "item-not-found" not in str(error):
                    raise
                return False
            return base64.b64decode(found) == picture

        await wait_for(self, f"the picture of {jid}", probe)

    async def block(self, jid: str) -> None:
        """As device.Device."""
        await self._call("block", jid)

    async def unblock(self, jid: str) -> None:
        """As device.Device."""
        await self._call("unblock", jid)

    async def wait_blocked(self, jids: set[str]) -> None:
        """As device.Device."""

        async def probe() -> bool:
            return set(await self._call("blocked")) == jids

        await wait_for(self, f"blocked: {jids}", probe)

    async def publish_name(self, name: str) -> None:
        """As device.Device."""
        await self._call("publish_name", name)

    async def wait_name(self, jid: str, name: str) -> None:
        """As device.Device."""

        async def probe() -> bool:
            return await self._call("name_of", jid) == name

        await wait_for(self, f"{name} on the card of {jid}", probe)


def environment() -> dict[str, str]:
    """The process finds the library, and nothing of this interpreter's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "PYTHONPATH": str(LIBRARIES)}


@functools.cache
def probe_library() -> tuple[str, str]:
    """Returns what is absent, and the library's version."""
    if not (LIBRARIES / "nbxmpp").is_dir():
        return "nbxmpp is not in build/clients (`make build/clients/.installed`)", ""
    if not Path(SYSTEM_PYTHON).exists():
        return f"{SYSTEM_PYTHON} is not there (Debian package python3)", ""
    program = PROBE.format(f"{HAS_TLS}; print(nbxmpp.__version__)")
    done = subprocess.run(
        [SYSTEM_PYTHON, "-c", program], env=environment(), capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode != 0:
        last = re.split(r"\n", done.stderr.strip())[-1]
        return (
            f"GLib for nbxmpp is incomplete (Debian packages python3-gi, gir1.2-soup-3.0, glib-networking): {last}",
            "",
        )
    return "", done.stdout.strip()


async def open_device(account: Account, surroundings: Surroundings) -> NbxmppDevice:
    """As device.Client.open."""
    with (surroundings.folder / f"nbxmpp-{account.username}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            SYSTEM_PYTHON,
            str(PROGRAM),
            str(surroundings.ca_file),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment(),
        )
    return NbxmppDevice(account, process)


NBXMPP = Client(
    name="nbxmpp",
    version=lambda: probe_library()[1],
    absence=lambda: probe_library()[0],
    security=Security.STARTTLS,
    open=open_device,
    remarks={
        "upload": "The library asks for the link; the program on top of it puts the file there.",
    },
)
