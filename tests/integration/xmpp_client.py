"""
An unmodified XMPP library (slixmpp) as a client of the cluster, and a user that outlives its node.

`Client` is one connection. `Chatter` is a person with a device: when the node at the other end dies, it connects to
another one and sends again, with the same origin-id (XEP-0359), what was not acknowledged (XEP-0198).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slixmpp
from slixmpp.exceptions import IqError

from integration.cluster_process import Cluster, wait_until
from integration.xmpp_raw import NS_SM

CONNECT_TIMEOUT_S = 15.0
ACK_WINDOW = 1_000_000  # stanzas until the library asks for an acknowledgement by itself: `say` does
PLUGINS = ("xep_0030", "xep_0059", "xep_0077", "xep_0198", "xep_0199", "xep_0203", "xep_0313", "xep_0359")


class ConnectError(Exception):
    """No session came about: refused, wrong password, or the node is gone."""


@dataclass(frozen=True)
class Received:
    """A message as the library handed it over."""

    sender: str
    body: str
    stanza_id: str
    is_delayed: bool


class Client(slixmpp.ClientXMPP):
    """
    One connection of one account.

    Args:
        username: Local part.
        password: Password.
        ca_file: With it the client uses STARTTLS and checks the node's certificate; without it plain text.
        domain: The cluster's domain.
    """

    def __init__(self, username: str, password: str, *, ca_file: Path | None = None, domain: str = "localhost") -> None:
        super().__init__(
            f"{username}@{domain}",
            password,
            plugin_config={
                "feature_mechanisms": {"unencrypted_scram": True},
                "xep_0077": {"create_account": False},
                "xep_0198": {"window": ACK_WINDOW, "allow_resume": False},
            },
        )
        for name in PLUGINS:
            self.register_plugin(name)
        self.enable_direct_tls = False
        self.enable_starttls = ca_file is not None
        self.enable_plaintext = ca_file is None
        self.ca_certs = ca_file
        self.account = username
        self.received: list[Received] = []
        self.on_received: Callable[[Received], None] = lambda _: None
        self.on_acked: Callable[[str], None] = lambda _: None
        self.ended = asyncio.Event()
        self.failure = ""
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.add_event_handler("session_start", self._on_session_start)
        self.add_event_handler("message", self._on_message)
        self.add_event_handler("stanza_acked", self._on_stanza_acked)
        self.add_event_handler("disconnected", self._on_disconnected)
        for event in ("connection_failed", "failed_all_auth", "stream_error"):
            self.add_event_handler(event, self._on_failure)

    async def log_in(self, port: int) -> None:
        """Connect to a node and wait until the session is up: roster asked for, presence sent."""
        self.connect("127.0.0.1", port)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.shield(self._started)
        except TimeoutError as error:
            await self.log_out()
            raise ConnectError(f"{self.account}: no session in time ({self.failure})") from error

    async def register_account(self, port: int) -> None:
        """Create the account in band (XEP-0077) on a node, then log in there."""
        self.plugin["xep_0077"].create_account = True

        async def on_register(_: object) -> None:
            iq = self.Iq()
            iq["type"] = "set"
            iq["register"]["username"] = self.account
            iq["register"]["password"] = self.password
            try:
                await iq.send()
            except IqError as error:
                self._fail(f"registration: {error.condition}")

        self.add_event_handler("register", on_register)
        await self.log_in(port)

    async def log_out(self) -> None:
        """End the stream in order."""
        self.end_session_on_disconnect = True
        if self.transport is not None and not self.ended.is_set():
            await self.disconnect(wait=2.0)
            await self.ended.wait()
        else:
            self.cancel_connection_attempt()
            self._stop_filters()

    def say(self, to: str, body: str, origin_id: str) -> None:
        """Send a chat message and ask for an acknowledgement behind it (the library asks in front of stanzas)."""
        message = self.make_message(mto=to, mbody=body, mtype="chat")
        message["id"] = origin_id
        message["origin_id"]["id"] = origin_id
        message.send()
        self.send(f"<r xmlns='{NS_SM}'/>")

    async def wait_received(self, body: str, timeout_s: float = CONNECT_TIMEOUT_S) -> Received:
        """Wait for a message with this body."""

        async def probe() -> Received | None:
            return next((message for message in self.received if message.body == body), None)

        return await wait_until(f"{self.account} receives {body!r}", probe, timeout_s, interval_s=0.01)

    async def add_contact(self, jid: str) -> None:
        """Ask to see a contact's presence and wait until both see each other (the other side accepts by itself)."""
        self.send_presence_subscription(pto=jid, ptype="subscribe")

        async def probe() -> bool:
            return jid in self.client_roster and self.client_roster[jid]["subscription"] == "both"

        await wait_until(f"{self.account} and {jid} subscribed", probe, CONNECT_TIMEOUT_S, interval_s=0.02)

    async def read_history(self, page_size: int = 10) -> list[tuple[str, str]]:
        """The whole archive through the library's own paging, as (sender, body), oldest first."""
        rows = []
        async for stanza in self.plugin["xep_0313"].iterate(rsm={"max": page_size}):
            forwarded = stanza["mam_result"]["forwarded"]["stanza"]
            rows.append((forwarded["from"].bare, forwarded["body"]))
        return rows

    # -- events

    async def _on_session_start(self, _: object) -> None:
        await self.get_roster()
        self.send_presence()
        if not self._started.done():
            self._started.set_result(None)

    def _on_message(self, message: slixmpp.Message) -> None:
        if message["type"] not in {"chat", "normal"} or not message["body"]:
            return
        received = Received(
            sender=message["from"].bare,
            body=message["body"],
            stanza_id=message["stanza_id"]["id"],
            is_delayed=message.get_plugin("delay", check=True) is not None,
        )
        self.received.append(received)
        self.on_received(received)

    def _on_stanza_acked(self, stanza: Any) -> None:
        if isinstance(stanza, slixmpp.Message):
            self.on_acked(stanza["origin_id"]["id"])

    def _on_failure(self, cause: Any) -> None:
        self._fail(f"{type(cause).__name__}: {cause}")

    def _on_disconnected(self, reason: object) -> None:
        self.ended.set()
        self._stop_filters()
        self._fail(f"disconnected: {reason}")

    def _stop_filters(self) -> None:
        """The library leaves this task behind."""
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()

    def _fail(self, text: str) -> None:
        self.failure = self.failure or text
        self.cancel_connection_attempt()
        if not self._started.done():
            self._started.set_exception(ConnectError(f"{self.account}: {self.failure}"))


class Chatter:
    """
    A user who writes numbered messages to one partner and never gives up.

    Attributes:
        numbers: Number of each message written, by origin-id.
        acknowledged: Origin-ids of messages that the servers acknowledged.
        shown: Body by stanza id of every message that arrived.
        repeat_count: How often a message arrived again, under the same stanza id.
        move_count: How often another node was needed.
    """

    def __init__(self, cluster: Cluster, username: str, password: str, partner: str, node_id: int) -> None:
        self.cluster = cluster
        self.username = username
        self.password = password
        self.partner = partner
        self.node_id = node_id
        self.numbers: dict[str, int] = {}
        self.acknowledged: set[str] = set()
        self.shown: dict[str, str] = {}
        self.repeat_count = 0
        self.move_count = 0
        self._waiting: dict[str, str] = {}
        self._client: Client | None = None
        self._is_closing = False

    @property
    def jid(self) -> str:
        """Bare JID."""
        return f"{self.username}@localhost"

    @property
    def unacknowledged_count(self) -> int:
        """Messages written and not acknowledged yet."""
        return len(self._waiting)

    async def run(self) -> None:
        """Stay connected until `close`: on the end of a stream go to the next node and resend."""
        while not self._is_closing:
            client = await self._connect()
            self._client = client
            for origin_id, body in list(self._waiting.items()):
                client.say(self.partner, body, origin_id)
            await client.ended.wait()
            self._client = None
            if not self._is_closing:
                self.move_count += 1
                self._go_to_next_node()

    async def close(self) -> None:
        """Log out for good."""
        self._is_closing = True
        if self._client is not None:
            await self._client.log_out()

    def write(self) -> None:
        """Write the next message; without a connection it waits for one."""
        number = len(self.numbers)
        origin_id = f"{self.username}-{number}"
        self.numbers[origin_id] = number
        body = f"{self.username} says {number}"
        self._waiting[origin_id] = body
        if self._client is not None:
            self._client.say(self.partner, body, origin_id)

    async def _connect(self) -> Client:
        while True:
            client = Client(self.username, self.password)
            client.on_acked = self._on_acked
            client.on_received = self._on_received
            try:
                await client.log_in(self.cluster.node(self.node_id).xmpp)
            except ConnectError:
                self._go_to_next_node()
                await asyncio.sleep(0.05)  # a pause between attempts, as every client makes
                continue
            return client

    def _go_to_next_node(self) -> None:
        self.node_id = self.node_id % self.cluster.node_count + 1

    def _on_acked(self, origin_id: str) -> None:
        self.acknowledged.add(origin_id)
        self._waiting.pop(origin_id, None)

    def _on_received(self, received: Received) -> None:
        known = self.shown.get(received.stanza_id)
        if known is not None:
            assert known == received.body, f"one stanza id, two bodies: {received}"
            self.repeat_count += 1
        self.shown[received.stanza_id] = received.body
