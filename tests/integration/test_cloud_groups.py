"""A group that a program leads (pywa, unmodified) with people in it (slixmpp), on three nodes and across a death."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
import pywa
from pywa import errors, types
from slixmpp import JID

from integration.business import VERSION, Business, create_business, http_url, sync_client
from integration.cluster_process import Cluster, wait_until
from integration.test_rooms import PATIENCE_S, MucClient
from raftline.base.ids import Epochs, format_stanza_id
from raftline.machine.business.ids import parse_group_id, parse_wamid

pytestmark = pytest.mark.timeout(120)

SHOP = "15550001111"
ANN = "15551234567"
VERIFY = "a verify token"
UNAVAILABLE = 131016
SUPPORT = types.GroupJoinApprovalMode.APPROVAL_REQUIRED


class Bot:
    """
    A program's receiver of webhooks.

    Attributes:
        updates: What pywa made of what came, in order.
        news: What became of groups, which pywa has no type for: type and content.
    """

    def __init__(self) -> None:
        self.updates: list[Any] = []
        self.news: list[dict[str, Any]] = []
        self.url = ""
        self._client: pywa.WhatsApp | None = None
        self._lock = threading.Lock()

    def serve(self, business: Business, url: str) -> None:
        """Handle what has come, and what comes, as this business's program, which calls the API at `url`."""
        client = pywa.WhatsApp(
            phone_id=business.phone_number_id,
            token=business.token,
            waba_id=business.waba_id,
            app_secret=business.app_secret,
        )
        client.api._session.base_url = f"{url}/{VERSION}"
        for add in (client.on_message, client.on_message_status, client.on_group_message_statuses):
            add()(lambda _client, update: self.updates.append(update))
        self._client = client

    def close(self) -> None:
        """Let go of the API."""
        if self._client is not None:
            self._client.api._session.close()

    def take(self, body: bytes, signature: str) -> int:
        """Take a POST; return its HTTP status."""
        with self._lock:
            client = self._client
            if client is None:
                return 503
            refusal = client.webhook_update_validator(body, signature)
            if refusal is not None:
                return refusal[1]
            for entry in msgspec.json.decode(body)["entry"]:
                self.news += [group for change in entry["changes"] for group in change["value"].get("groups", ())]
            return client.webhook_update_handler(body)[1]

    async def wait(self, what: str, accept: Callable[[Any], bool]) -> Any:
        """Wait for an update."""

        async def probe() -> Any:
            return next((update for update in list(self.updates) if accept(update)), None)

        return await wait_until(f"the program gets {what}", probe, PATIENCE_S, interval_s=0.02)

    async def wait_news(self, kind: str) -> dict[str, Any]:
        """Wait for news of a group."""

        async def probe() -> dict[str, Any] | None:
            return next((one for one in list(self.news) if one["type"] == kind), None)

        return await wait_until(f"the program hears {kind}", probe, PATIENCE_S, interval_s=0.02)


@contextmanager
def running_bot() -> Iterator[Bot]:
    """A receiver that listens."""
    bot = Bot()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            self._answer(200, query["hub.challenge"][0].encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(bot.take(body, self.headers["X-Hub-Signature-256"]), b"ok")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    bot.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield bot
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        bot.close()


class Member(MucClient):
    """Somebody in the group; what they were sent is kept as XML."""

    def __init__(self, username: str) -> None:
        super().__init__(username)
        self.seen: list[Any] = []
        self.add_filter("in", self._note)

    def _note(self, stanza: Any) -> Any:
        self.seen.append(stanza.xml)
        return stanza

    async def enter(self, room: str, link: str) -> None:
        """Enter by a link, which says the token after the last `=`."""
        token = link.rpartition("=")[2]
        muc = "<x xmlns='http://jabber.org/protocol/muc'/>"
        self.send_raw(
            f"<presence to='{room}/{self.account}'>{muc}<preauth xmlns='urn:xmpp:pars:0' token='{token}'/></presence>"
        )
        await self.wait_seen("its own presence", lambda stanza: stanza.find(".//*[@code='110']") is not None)

    async def wait_seen(self, what: str, accept: Callable[[Any], bool]) -> Any:
        """Wait for a stanza."""

        async def probe() -> Any:
            return next((stanza for stanza in list(self.seen) if accept(stanza)), None)

        return await wait_until(f"{self.account} sees {what}", probe, PATIENCE_S, interval_s=0.02)

    def write(self, room: str, content: str, message_id: str) -> None:
        """Say something made of these elements."""
        self.send_raw(f"<message to='{room}' type='groupchat' id='{message_id}'>{content}</message>")


@asynccontextmanager
async def people(cluster: Cluster, *placed: tuple[str, int]) -> AsyncIterator[list[Member]]:
    """People with accounts, each at a node."""
    members = [Member(name) for name, _ in placed]
    try:
        for member, (_, node_id) in zip(members, placed, strict=True):
            await member.register_account(cluster.node(node_id).xmpp)
        yield members
    finally:
        await asyncio.gather(*(member.log_out() for member in members))


def room_of(group: str) -> str:
    """The address of a group's room."""
    return f"{parse_group_id(group)}@conference.localhost"


def named(message: str) -> str:
    """The id by which people in the room know a message."""
    parsed = parse_wamid(message)
    assert parsed is not None
    return format_stanza_id(Epochs(parsed[0]), parsed[1])


async def test_a_program_and_its_group(cluster: Cluster) -> None:
    """Make it, let people come, talk both ways, change it, remove somebody, delete it; each step at another node."""
    await cluster.wait_version()
    leader = await cluster.leader()
    first, second = (node_id for node_id in (1, 2, 3) if node_id != leader)
    with running_bot() as bot:
        shop = await create_business(cluster, "Ann's Shop", SHOP, callback_url=bot.url, verify_token=VERIFY)
        bot.serve(shop, http_url(cluster, first))
        with sync_client(cluster, shop, first) as one, sync_client(cluster, shop, second) as two:
            await asyncio.to_thread(one.create_group, subject="Offers", description="All of them")
            created = await bot.wait_news("group_create")
            group = created["group_id"]
            shown = await asyncio.to_thread(two.get_group, group)
            assert (shown.subject, shown.description, shown.total_participant_count) == ("Offers", "All of them", 0)
            assert [found.id for found in await asyncio.to_thread(two.get_groups)] == [group]
            link = await asyncio.to_thread(two.get_group_invite_link, group)
            assert link.link.startswith(f"{http_url(cluster, second)}/invite/#{room_of(group)}?join;preauth=")
            async with people(cluster, (ANN, first), ("ben", second)) as (ann, ben):
                for member in (ann, ben):
                    await member.enter(room_of(group), link.link)
                await talk(one, bot, group, ann, ben)
                killed = asyncio.create_task(cluster.kill(leader))
                await talk_on(one, group, ben)
                await killed
                await lead(two, bot, group, ann, ben)


async def talk(client: pywa.WhatsApp, bot: Bot, group: str, ann: Member, ben: Member) -> None:
    """What the program says is heard by people, what they say by the program, with what belongs to it."""
    room = room_of(group)
    sent = await asyncio.to_thread(client.send_message, group, "Welcome", tracker="t1")
    assert (sent.input, sent.chat.type, sent.chat.id) == (group, "GROUP", group)
    for member in (ann, ben):
        await member.wait_heard("Ann's Shop", "Welcome")
    statuses = await bot.wait("that it is sent", lambda update: isinstance(update, types.GroupMessageStatuses))
    assert (statuses.group_id, statuses[0].id, statuses[0].status, statuses[0].tracker) == (
        group,
        sent.id,
        types.MessageStatusType.SENT,
        "t1",
    )
    marker = f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{named(sent.id)}'/>"
    ann.write(room, marker, "m1")
    read = await bot.wait(
        "that Ann has read",
        lambda update: (
            isinstance(update, types.GroupMessageStatuses) and update[0].status == types.MessageStatusType.READ
        ),
    )
    assert (read[0].id, read[0].from_user.wa_id) == (sent.id, ANN)
    ben.write(room, f"<body>Hi!</body><reply xmlns='urn:xmpp:reply:0' id='{named(sent.id)}'/>", "b1")
    said = await bot.wait("what Ben says", lambda update: getattr(update, "text", "") == "Hi!")
    assert (said.chat.type, said.chat.id, said.reply_to_message.id) == ("GROUP", group, sent.id)
    assert said.from_user.bsuid.startswith("ZZ.")
    await asyncio.to_thread(said.react, "\N{THUMBS UP SIGN}")
    reaction = await ben.wait_seen(
        "a reaction", lambda stanza: stanza.find("{urn:xmpp:reactions:0}reactions") is not None
    )
    assert reaction.find("{urn:xmpp:reactions:0}reactions").get("id") == named(said.id)
    pinned = await asyncio.to_thread(client.pin_message, group, sent.id, expiration_days=7)
    assert pinned.id.startswith("wamid.")
    pin = await ann.wait_seen("a pin", lambda stanza: stanza.find("{urn:raftline:pins:0}pinned") is not None)
    assert pin.find("{urn:raftline:pins:0}pinned").get("id") == named(sent.id)
    with pytest.raises(errors.GroupUnknown):
        await asyncio.to_thread(client.send_message, "g_bm93aGVyZQ", "x")


async def talk_on(client: pywa.WhatsApp, group: str, listener: Member) -> None:
    """While the leader dies, whatever is answered is heard, in order."""
    texts = [f"offer {number}" for number in range(20)]
    for text in texts:

        async def probe(text: str = text) -> bool:
            try:
                await asyncio.to_thread(client.send_message, group, text)
            except errors.WhatsAppError as error:
                if error.error_code != UNAVAILABLE:
                    raise
                return False
            return True

        await wait_until(f"{text} is sent", probe, PATIENCE_S, interval_s=0.1)
    await listener.wait_heard("Ann's Shop", texts[-1])
    heard = [body for nick, body in listener.heard if nick == "Ann's Shop" and body in texts]
    assert list(dict.fromkeys(heard)) == texts


async def lead(client: pywa.WhatsApp, bot: Bot, group: str, ann: Member, ben: Member) -> None:
    """Change the group, remove somebody, reset the link, delete it."""
    shown = await asyncio.to_thread(client.get_group, group)
    assert {person.wa_id for person in shown.participants} == {ANN, None}
    await asyncio.to_thread(shown.update, subject="Bargains", profile_picture=None)
    assert (await bot.wait_news("group_settings_update"))["group_subject"]["text"] == "Bargains"
    old = await asyncio.to_thread(client.get_group_invite_link, group)
    new = await asyncio.to_thread(old.reset)
    assert new.link != old.link
    removed = await asyncio.to_thread(client.remove_group_participants, group, [ANN])
    told = await bot.wait_news("group_participants_remove")
    assert (told["request_id"], told["removed_participants"][0]["wa_id"]) == (removed.request_id, ANN)
    await ann.wait_seen("that it is out", lambda stanza: stanza.find(".//*[@code='321']") is not None)
    deleted = await asyncio.to_thread(client.delete_group, group)
    assert (await bot.wait_news("group_delete"))["request_id"] == deleted.request_id
    destroyed = "{http://jabber.org/protocol/muc#user}destroy"
    await ben.wait_seen("the end", lambda stanza: stanza.find(f".//{destroyed}") is not None)
    with pytest.raises(errors.GroupUnknown):
        await asyncio.to_thread(client.get_group, group)
    await ask_to_join(client, bot, ann, ben)


async def ask_to_join(client: pywa.WhatsApp, bot: Bot, ann: Member, ben: Member) -> None:
    """Where people have to be let in, who opens the link has asked."""
    bot.news.clear()
    await asyncio.to_thread(client.create_group, subject="Support", join_approval_mode=SUPPORT)
    group = (await bot.wait_news("group_create"))["group_id"]
    link = await asyncio.to_thread(client.get_group_invite_link, group)
    token = link.link.rpartition("=")[2]
    for member in (ann, ben):
        muc = "<x xmlns='http://jabber.org/protocol/muc'/>"
        member.send_raw(
            f"<presence to='{room_of(group)}/{member.account}'>{muc}"
            f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/></presence>"
        )
        await member.wait_seen(
            "that it has asked",
            lambda stanza: stanza.get("type") == "error" and (stanza.get("from") or "").startswith(room_of(group)),
        )
    requests = {}
    for request in await asyncio.to_thread(client.get_group_join_requests, group):
        requests[request.user.wa_id] = request
    assert set(requests) == {ANN, None}
    await asyncio.to_thread(requests[ANN].approve)
    await asyncio.to_thread(requests[None].reject)
    assert (await bot.wait_news("group_participants_add"))["added_participants"][0]["wa_id"] == ANN
    with pytest.raises(errors.GroupJoinRequestDoesNotExist):
        await asyncio.to_thread(requests[None].approve)
    await ann.muc.join_muc_wait(JID(room_of(group)), ANN, timeout=PATIENCE_S)
    await asyncio.to_thread(client.send_message, group, "How can we help?")
    await ann.wait_heard("Ann's Shop", "How can we help?")
