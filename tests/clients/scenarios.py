"""
What every client must be able to do with a cluster of three nodes; each scenario is a row of docs/clients.md.

A scenario gets a `Stage`: the cluster, the client under test signed in through node 1, and friends on node 2. It
returns what its cell says. A new row is one function here and its entry in `SCENARIOS`, with what the drivers lack in
`Client.lacks`; a verb that no scenario had before goes into `Device`.
"""

from __future__ import annotations

import hashlib
import secrets
import ssl
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2

from clients.device import DOMAIN, SHOW_TIMEOUT_S, Account, Client, Device, Security, Surroundings
from clients.friend import Friend
from clients.front import Front
from integration.cluster_process import Cluster, http_get, wait_until
from integration.xmpp_raw import register

YES: Final = "yes"
PNG_MAGIC, JPEG_MAGIC = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
FILE_SIZE: Final = 300_000
"""More than nodes keep in one piece."""

HOME, FRIENDS_HOME, ELSEWHERE = 1, 2, 3
"""Nodes: of the device under test, of its friends, and the third."""


@dataclass
class Stage:
    """
    One client and those around it.

    Attributes:
        device: Signed in as `account` through node 1; shared by the scenarios of one client.
    """

    cluster: Cluster
    client: Client
    surroundings: Surroundings
    account: Account = field(init=False)
    device: Device = field(init=False)
    _guests: list[Friend | Device] = field(default_factory=list)

    async def prepare(self) -> None:
        """Start the device."""
        self.account = await self.new_account("anna")
        self.device = await self.client.open(self.account, self.surroundings)
        try:
            await self.device.sign_in(self.cluster.node(HOME), self.client.security)
        except BaseException:
            await self.device.close()
            raise

    async def tear_down(self) -> None:
        """End the device."""
        await self.device.close()

    async def new_account(self, name: str) -> Account:
        """Register somebody nobody has met yet."""
        account = Account(f"{name}-{secrets.token_hex(4)}", secrets.token_hex(8))
        await register(self.cluster.node(FRIENDS_HOME).xmpp, account.username, account.password)
        return account

    async def new_friend(self) -> Friend:
        """Somebody new to talk to, online through node 2."""
        friend = Friend(await self.new_account("bert"))
        self._guests.append(friend)
        await friend.sign_in(self.cluster.node(FRIENDS_HOME))
        return friend

    async def new_device(self, account: Account) -> Device:
        """One more device with the client under test, as if just installed."""
        device = await self.client.open(account, self.surroundings)
        self._guests.append(device)
        return device

    async def dismiss_guests(self) -> None:
        """End whoever came for one scenario."""
        while self._guests:
            await self._guests.pop().close()

    async def take_pictures(self, folder: Path) -> None:
        """Keep what the devices show."""
        folder.mkdir(parents=True, exist_ok=True)
        devices = [self.device, *(guest for guest in self._guests if not isinstance(guest, Friend))]
        for number, device in enumerate(devices):
            await device.take_picture(folder / f"{self.client.name}-{number}")


class Stages:
    """The stages of all clients, each prepared when it is first asked for."""

    def __init__(self, cluster: Cluster, surroundings: Surroundings) -> None:
        self._cluster = cluster
        self._surroundings = surroundings
        self._prepared: dict[str, Stage] = {}

    async def prepare(self, client: Client) -> Stage:
        """The stage of a client; its guests are to be dismissed after each scenario."""
        stage = self._prepared.get(client.name)
        if stage is None:
            stage = Stage(self._cluster, client, self._surroundings)
            await stage.prepare()
            self._prepared[client.name] = stage
        return stage

    async def discard(self, client: Client, pictures: Path) -> None:
        """End devices that a failure left in disorder, and keep what they show; the next scenario gets others."""
        stage = self._prepared.pop(client.name)
        await stage.take_pictures(pictures)
        await stage.dismiss_guests()
        await stage.tear_down()

    async def close(self) -> None:
        """End all devices; who asks afterwards gets new ones."""
        while self._prepared:
            await self._prepared.popitem()[1].tear_down()


@dataclass(frozen=True)
class Scenario:
    """A row: what it is called in tests and on the page, and what shows it."""

    key: str
    title: str
    run: Callable[[Stage], Awaitable[str]]


async def expect_conversation(device: Device, friend: Friend, said: list[str]) -> None:
    """The device shows this conversation: nothing is missing, nothing doubled, the order is right."""
    for text in said:
        await device.wait_shown(friend.jid, text)
    shown = await device.shown(friend.jid)
    assert shown == said, f"shown: {shown}, said: {said}\n{device.state()}"


async def talk(stage: Stage, device: Device, account: Account) -> None:
    """Show that a device is connected for good: a message comes in and one goes out."""
    friend = await stage.new_friend()
    await friend.say(account.jid, "can you read this?")
    await device.wait_shown(friend.jid, "can you read this?")
    await device.say(friend.jid, "I can")
    await friend.wait_message(account.jid, "I can")


async def sign_in(stage: Stage, security: Security) -> str:
    """A fresh installation signs in through the third node."""
    account = await stage.new_account("carl")
    device = await stage.new_device(account)
    await device.sign_in(stage.cluster.node(ELSEWHERE), security)
    await talk(stage, device, account)
    return YES


async def sign_in_starttls(stage: Stage) -> str:
    """TCP, then TLS (RFC 6120 section 5)."""
    return await sign_in(stage, Security.STARTTLS)


async def sign_in_direct_tls(stage: Stage) -> str:
    """TLS from the first byte (XEP-0368)."""
    return await sign_in(stage, Security.DIRECT_TLS)


async def sign_in_websocket(stage: Stage) -> str:
    """XMPP over WebSocket (RFC 7395)."""
    return await sign_in(stage, Security.WEBSOCKET)


async def new_contact(stage: Stage) -> Friend:
    """Ask somebody, be asked in return, and see each other (RFC 6121 section 3)."""
    friend = await stage.new_friend()
    await stage.device.add_contact(friend.jid)
    await friend.befriend(stage.account.jid)
    await stage.device.accept_contact(friend.jid)
    await friend.wait_friendship(stage.account.jid)
    return friend


async def contacts(stage: Stage) -> str:
    """Somebody new is on the roster, also on that of a fresh installation (RFC 6121 section 2)."""
    friend = await new_contact(stage)
    await stage.device.wait_contact(friend.jid)
    fresh = await stage.new_device(stage.account)
    await fresh.sign_in(stage.cluster.node(ELSEWHERE), stage.client.security)
    await fresh.wait_contact(friend.jid)
    return YES


async def presence(stage: Stage) -> str:
    """A contact is seen to come and to go, through other nodes (RFC 6121 section 4)."""
    friend = await new_contact(stage)
    await stage.device.wait_presence(friend.jid, is_available=True)
    await friend.sign_out()
    await stage.device.wait_presence(friend.jid, is_available=False)
    await friend.sign_in(stage.cluster.node(ELSEWHERE))
    await stage.device.wait_presence(friend.jid, is_available=True)
    return YES


async def chat(stage: Stage) -> str:
    """Messages in both directions, each once, in order, with characters that XML and terminals care about."""
    friend = await stage.new_friend()
    said = ["1 < 2 & \"3\" > '2'", "grüße, 你好 ✓", "so it is"]
    await friend.say(stage.account.jid, said[0])
    await stage.device.wait_shown(friend.jid, said[0])
    await stage.device.say(friend.jid, said[1])
    await friend.wait_message(stage.account.jid, said[1])
    await friend.say(stage.account.jid, said[2])
    await expect_conversation(stage.device, friend, said)
    return YES


async def offline(stage: Stage) -> str:
    """What was said while the device was signed out is shown when it comes back through another node, each once."""
    friend = await stage.new_friend()
    account = await stage.new_account("dora")
    device = await stage.new_device(account)
    await device.sign_in(stage.cluster.node(HOME), stage.client.security)
    await device.sign_out()
    missed = ["are you there?", "call me"]
    for text in missed:
        await friend.say(account.jid, text)
    await device.sign_in(stage.cluster.node(ELSEWHERE), stage.client.security)
    await expect_conversation(device, friend, missed)
    return YES


async def history(stage: Stage) -> str:
    """A fresh installation shows the whole of an earlier conversation (XEP-0313)."""
    friend = await stage.new_friend()
    said = ["the first word", "the second word", "the last word"]
    await friend.say(stage.account.jid, said[0])
    await stage.device.wait_shown(friend.jid, said[0])
    await stage.device.say(friend.jid, said[1])
    await friend.wait_message(stage.account.jid, said[1])
    await friend.say(stage.account.jid, said[2])
    fresh = await stage.new_device(stage.account)
    await fresh.sign_in(stage.cluster.node(ELSEWHERE), stage.client.security)
    await fresh.open_history(friend.jid)
    await expect_conversation(fresh, friend, said)
    return YES


async def carbons(stage: Stage) -> str:
    """Two devices on two nodes show the same conversation while it goes on (XEP-0280)."""
    friend = await stage.new_friend()
    other = await stage.new_device(stage.account)
    await other.sign_in(stage.cluster.node(ELSEWHERE), stage.client.security)
    said = ["to both devices", "from one device", "to one device"]
    await friend.say(stage.account.jid, said[0])
    await stage.device.wait_shown(friend.jid, said[0])
    await stage.device.say(friend.jid, said[1])
    sender = await friend.wait_message(stage.account.jid, said[1])
    await other.wait_shown(friend.jid, said[1])
    await friend.say(sender, said[2])
    for device in (stage.device, other):
        await expect_conversation(device, friend, said)
    return YES


async def blocking(stage: Stage) -> str:
    """Who is blocked is refused and not heard, and is heard again when let through (XEP-0191)."""
    friend = await stage.new_friend()
    await friend.say(stage.account.jid, "buy this")
    await stage.device.wait_shown(friend.jid, "buy this")
    await stage.device.block(friend.jid)
    await stage.device.wait_blocked({friend.jid})
    refused = await friend.say(stage.account.jid, "hello?")
    assert await friend.wait_refusal(refused) == "service-unavailable"
    await stage.device.unblock(friend.jid)
    await stage.device.wait_blocked(set())
    await friend.say(stage.account.jid, "hello again")
    await expect_conversation(stage.device, friend, ["buy this", "hello again"])
    return YES


async def rooms(stage: Stage) -> str:
    """Enter somebody's room, hear what is said there and be heard (XEP-0045)."""
    friend = await stage.new_friend()
    room = f"{friend.account.username}@conference.{DOMAIN}"
    await friend.open_room(room, "bert")
    await stage.device.join_room(room, "anna")
    await friend.say_in_room(room, "welcome")
    await stage.device.wait_shown_in_room(room, "welcome")
    await stage.device.say_in_room(room, "thank you")
    await friend.wait_message(room, "thank you")
    await stage.device.wait_shown_in_room(room, "thank you")
    return YES


async def upload(stage: Stage) -> str:
    """The friend gets the link of a file and, behind it, the same bytes, also from the friend's own node (XEP-0363)."""
    friend = await stage.new_friend()
    content = secrets.token_bytes(FILE_SIZE)
    digest = hashlib.sha256(content).hexdigest()
    file = stage.surroundings.folder / f"a & b {friend.account.username}.bin"
    file.write_bytes(content)
    await friend.say(stage.account.jid, "send me the file")
    await stage.device.wait_shown(friend.jid, "send me the file")
    await stage.device.send_file(friend.jid, file)
    link = await friend.wait_link(stage.account.jid)
    async with httpx2.AsyncClient(verify=ssl.create_default_context(cafile=stage.surroundings.ca_file)) as browser:
        reply = await browser.get(link)
    assert (reply.status_code, hashlib.sha256(reply.content).hexdigest()) == (200, digest), link
    status, found = await http_get(stage.cluster.node(FRIENDS_HOME).http, urlsplit(link).path)
    assert (status, hashlib.sha256(found).hexdigest()) == (200, digest), link
    return YES


async def avatars(stage: Stage) -> str:
    """A contact's picture is shown, and ours is on our card, however it was published (XEP-0084, 0153, 0398)."""
    friend = await new_contact(stage)
    picture = make_png()
    await friend.publish_avatar(picture)
    await stage.device.wait_avatar(friend.jid, picture)
    file = stage.surroundings.folder / "avatar.png"
    file.write_bytes(picture)
    await stage.device.publish_avatar(file)

    async def is_read() -> bool:
        return (await friend.photo_of(stage.account.jid)).startswith((PNG_MAGIC, JPEG_MAGIC))

    await wait_until("the friend's node has the picture", is_read, SHOW_TIMEOUT_S)
    return YES


def make_png(side: int = 64) -> bytes:
    """A green square."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\x20\x90\x50" * side) * side
    return PNG_MAGIC + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def names(stage: Stage) -> str:
    """Full names on cards: ours is read by others, and theirs is shown (XEP-0054)."""
    friend = await stage.new_friend()
    await friend.publish_name("Bert of the Tests")
    await friend.say(stage.account.jid, "do you know me?")
    await stage.device.wait_shown(friend.jid, "do you know me?")
    await stage.device.wait_name(friend.jid, "Bert of the Tests")
    await stage.device.publish_name("Anna of the Tests")

    async def is_read() -> bool:
        return await friend.name_of(stage.account.jid) == "Anna of the Tests"

    await wait_until("the friend's node has the card", is_read, SHOW_TIMEOUT_S)
    return YES


@dataclass
class Survivor:
    """A client that will lose its node in the middle of a conversation, and what becomes of both."""

    stage: Stage
    friend: Friend
    account: Account
    device: Device

    @classmethod
    async def sit_down(cls, stage: Stage, front: Front) -> Survivor:
        """Sign in through the node that is to die, and talk."""
        account = await stage.new_account("emil")
        survivor = cls(stage, await stage.new_friend(), account, await stage.new_device(account))
        await survivor.device.sign_in(front, stage.client.security)
        await survivor.friend.say(account.jid, "before")
        await survivor.device.wait_shown(survivor.friend.jid, "before")
        return survivor

    async def go_on(self) -> str:
        """
        With the node dead: hear what was said meanwhile, and answer, without anybody touching the client's settings.

        Returns how the client came back.
        """
        await self.friend.say(self.account.jid, "meanwhile")
        await self.device.wait_shown(self.friend.jid, "meanwhile")
        for text in ("after", "the end"):
            await self.device.say(self.friend.jid, text)
        await self.friend.wait_message(self.account.jid, "the end")
        assert self.friend.heard == [(self.account.jid, "after"), (self.account.jid, "the end")]
        await expect_conversation(self.device, self.friend, ["before", "meanwhile", "after", "the end"])
        assert self.device.returns, "the device never noticed that its node was gone"
        return self.device.returns[0]


SCENARIOS: Final = (
    Scenario("starttls", "Sign in over STARTTLS", sign_in_starttls),
    Scenario("direct_tls", "Sign in over direct TLS (XEP-0368)", sign_in_direct_tls),
    Scenario("websocket", "Sign in over WebSocket (RFC 7395)", sign_in_websocket),
    Scenario("contacts", "Add a contact, accept one, roster on a second device", contacts),
    Scenario("presence", "See contacts come and go", presence),
    Scenario("chat", "Chat in both directions", chat),
    Scenario("offline", "Messages of the time offline", offline),
    Scenario("history", "History on a new device (XEP-0313)", history),
    Scenario("carbons", "The same conversation on two devices (XEP-0280)", carbons),
    Scenario("blocking", "Block and unblock (XEP-0191)", blocking),
    Scenario("rooms", "Rooms: enter, hear, be heard (XEP-0045)", rooms),
    Scenario("upload", "Send a file (XEP-0363)", upload),
    Scenario("avatars", "Avatars (XEP-0084, 0153, 0398)", avatars),
    Scenario("names", "Cards with full names (XEP-0054)", names),
)
KILL_KEY: Final = "killed_node"
KILL_TITLE: Final = "The node of the client is killed"
"""A row like the others, but of one run for all clients together: nodes are killed seldom."""
