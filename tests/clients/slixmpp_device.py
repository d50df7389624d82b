"""slixmpp: a Python library for bots and clients, used as its documentation tells."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0363 import http_upload

from clients.device import Account, Client, Conversations, Door, Security, Surroundings, wait_for, wait_true

PLUGINS = (
    "xep_0030",
    "xep_0045",
    "xep_0054",
    "xep_0059",
    "xep_0066",
    "xep_0084",
    "xep_0191",
    "xep_0198",
    "xep_0199",
    "xep_0280",
    "xep_0313",
    "xep_0359",
    "xep_0363",
)


class SlixmppDevice:
    """Implements device.Device on `slixmpp.ClientXMPP`."""

    def __init__(self, account: Account, surroundings: Surroundings) -> None:
        self.account = account
        self.returns: list[str] = []
        self._ca_file = surroundings.ca_file
        self._stream: slixmpp.ClientXMPP | None = None
        self._online = asyncio.Event()
        self._gone = asyncio.Event()
        self._is_leaving = False
        self._notes: list[str] = []
        self._conversations = Conversations()

    # -- connection

    async def sign_in(self, door: Door, security: Security) -> None:
        """As device.Device."""
        stream = slixmpp.ClientXMPP(self.account.jid, self.account.password)
        for name in PLUGINS:
            stream.register_plugin(name)
        stream.ca_certs = self._ca_file
        stream.enable_plaintext = False
        stream.enable_starttls = security is Security.STARTTLS
        stream.enable_direct_tls = security is Security.DIRECT_TLS
        address = ("127.0.0.1", door.xmpps if security is Security.DIRECT_TLS else door.xmpp)

        def on_disconnected(reason: object) -> None:
            self._notes.append(f"disconnected: {reason}")
            self._online.clear()
            self._gone.set()
            if not self._is_leaving:
                stream.connect(*address)

        stream.add_event_handler("session_start", self._on_session_start)
        stream.add_event_handler("session_resumed", self._on_resumed)
        stream.add_event_handler("disconnected", on_disconnected)
        stream.add_event_handler("message", self._on_message)
        stream.add_event_handler("carbon_sent", lambda wrapper: self._on_copy(wrapper, "carbon_sent"))
        stream.add_event_handler("carbon_received", lambda wrapper: self._on_copy(wrapper, "carbon_received"))
        for event in ("connection_failed", "failed_all_auth", "stream_error"):
            stream.add_event_handler(event, lambda cause, event=event: self._notes.append(f"{event}: {cause}"))
        self._stream = stream
        self._is_leaving = False
        stream.connect(*address)
        await wait_true(self, "signed in", self._online.is_set)

    async def _on_session_start(self, _: object) -> None:
        stream = self._connected
        if self._gone.is_set():
            self.returns.append("signs in again")
        self._gone.clear()
        await stream.get_roster()
        await stream.plugin["xep_0280"].enable()
        stream.send_presence()
        self._online.set()

    def _on_resumed(self, _: object) -> None:
        self._gone.clear()
        self.returns.append("resumes")
        self._online.set()

    async def sign_out(self) -> None:
        """As device.Device."""
        stream = self._connected
        self._is_leaving = True
        stream.end_session_on_disconnect = True
        if self._online.is_set():
            await stream.disconnect()
            await wait_true(self, "signed out", self._gone.is_set)
        stream.cancel_connection_attempt()
        if stream._run_out_filters is not None:
            stream._run_out_filters.cancel()  # the library leaves this task behind
        self._gone.clear()
        self._stream = None

    async def close(self) -> None:
        """As device.Device."""
        if self._stream is not None:
            await self.sign_out()

    @property
    def _connected(self) -> slixmpp.ClientXMPP:
        assert self._stream is not None, "sign in first"
        return self._stream

    # -- contacts

    async def add_contact(self, jid: str) -> None:
        """As device.Device."""
        self._connected.send_presence_subscription(pto=jid, ptype="subscribe")

    async def accept_contact(self, jid: str) -> None:
        """As device.Device; the library does it by itself (`auto_authorize`)."""

    async def wait_contact(self, jid: str) -> None:
        """As device.Device."""
        roster = self._connected.client_roster
        await wait_true(self, f"{jid} on the roster", lambda: jid in roster and roster[jid]["subscription"] == "both")

    async def wait_presence(self, jid: str, *, is_available: bool) -> None:
        """As device.Device."""
        roster = self._connected.client_roster
        await wait_true(self, f"{jid} available: {is_available}", lambda: bool(roster.presence(jid)) == is_available)

    # -- conversations

    async def say(self, jid: str, text: str) -> None:
        """As device.Device."""
        message = self._connected.make_message(mto=jid, mbody=text, mtype="chat")
        message.send()
        self._conversations.note(jid, message["id"], text)

    async def wait_shown(self, jid: str, text: str) -> None:
        """As device.Device."""
        await wait_true(self, f"{text!r} of {jid}", lambda: text in self._conversations.of(jid))

    async def shown(self, jid: str) -> list[str]:
        """As device.Device."""
        return self._conversations.of(jid)

    async def open_history(self, jid: str) -> None:
        """As device.Device."""
        async for stanza in self._connected.plugin["xep_0313"].iterate(with_jid=jid):
            result = stanza["mam_result"]
            self._conversations.note(jid, result["id"], result["forwarded"]["stanza"]["body"])

    def _on_message(self, message: slixmpp.Message) -> None:
        if message["type"] in {"chat", "normal", "groupchat"} and message["body"]:
            self._conversations.note(message["from"].bare, message["stanza_id"]["id"], message["body"])

    def _on_copy(self, wrapper: slixmpp.Message, direction: str) -> None:
        message = wrapper[direction]
        partner = message["to" if direction == "carbon_sent" else "from"].bare
        if message["body"]:
            self._conversations.note(partner, message["stanza_id"]["id"], message["body"])

    async def join_room(self, room: str, nick: str) -> None:
        """As device.Device."""
        await self._connected.plugin["xep_0045"].join_muc_wait(slixmpp.JID(room), nick)

    async def say_in_room(self, room: str, text: str) -> None:
        """As device.Device."""
        self._connected.send_message(mto=slixmpp.JID(room), mbody=text, mtype="groupchat")

    async def wait_shown_in_room(self, room: str, text: str) -> None:
        """As device.Device."""
        await self.wait_shown(room, text)

    # -- the rest

    async def send_file(self, jid: str, file: Path) -> None:
        """As device.Device; the library would trust the system's authorities alone, so it gets a session for ours."""
        trust = ssl.create_default_context(cafile=self._ca_file)

        def open_session(**options: Any) -> aiohttp.ClientSession:
            return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust), **options)

        with mock.patch.object(http_upload, "ClientSession", open_session):
            link = await self._connected.plugin["xep_0363"].upload_file(file)
        message = self._connected.make_message(mto=slixmpp.JID(jid), mbody=link, mtype="chat")
        message["oob"]["url"] = link
        message.send()
        self._conversations.note(jid, message["id"], link)

    async def publish_avatar(self, file: Path) -> None:
        """As device.Device."""
        data = file.read_bytes()
        avatars = self._connected.plugin["xep_0084"]
        await avatars.publish_avatar(data)
        await avatars.publish_avatar_metadata(
            [{"id": avatars.generate_id(data), "type": "image/png", "bytes": len(data)}]
        )

    async def wait_avatar(self, jid: str, picture: bytes) -> None:
        """As device.Device."""
        avatars = self._connected.plugin["xep_0084"]

        async def probe() -> bool:
            try:
                answer = await avatars.retrieve_avatar(slixmpp.JID(jid), avatars.generate_id(picture))
            except IqError:
                return False
            return bool(answer["pubsub"]["items"]["item"]["avatar_data"]["value"] == picture)

        await wait_for(self, f"the picture of {jid}", probe)

    async def block(self, jid: str) -> None:
        """As device.Device."""
        await self._connected.plugin["xep_0191"].block(jid)

    async def unblock(self, jid: str) -> None:
        """As device.Device."""
        await self._connected.plugin["xep_0191"].unblock(jid)

    async def wait_blocked(self, jids: set[str]) -> None:
        """As device.Device."""

        async def probe() -> bool:
            return {str(jid) for jid in await self._connected.plugin["xep_0191"].get_blocked_jids()} == jids

        await wait_for(self, f"blocked: {jids}", probe)

    async def publish_name(self, name: str) -> None:
        """As device.Device."""
        card = self._connected.plugin["xep_0054"].make_vcard()
        card["FN"] = name
        await self._connected.plugin["xep_0054"].publish_vcard(card)

    async def wait_name(self, jid: str, name: str) -> None:
        """As device.Device."""

        async def probe() -> bool:
            answer: Any = await self._connected.plugin["xep_0054"].get_vcard(jid)
            return bool(answer["vcard_temp"]["FN"] == name)

        await wait_for(self, f"{name} on the card of {jid}", probe)

    def state(self) -> str:
        """As device.Device."""
        return f"notes: {self._notes}\nconversations: {self._conversations}"

    async def take_picture(self, stem: Path) -> None:
        """As device.Device."""
        stem.with_suffix(".txt").write_text(self.state(), encoding="utf-8")


async def open_device(account: Account, surroundings: Surroundings) -> SlixmppDevice:
    """As device.Client.open."""
    return SlixmppDevice(account, surroundings)


SLIXMPP = Client(
    name="slixmpp",
    version=lambda: slixmpp.__version__,
    absence=lambda: "",
    security=Security.STARTTLS,
    open=open_device,
    lacks={"websocket": "The library speaks TCP alone."},
)
