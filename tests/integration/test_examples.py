"""
The programs of `examples/`, each a process that people talk to through a cluster of three nodes.

They are pywa as it is published, and people are clients of a library (slixmpp); so what is seen here is the way of a
message from a person to a program and back, over webhooks and the Cloud API.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import httpx2
import pytest

from integration.business import Business, create_business, http_url, sync_client
from integration.cluster_process import Cluster, wait_until
from integration.person import Person
from integration.test_cloud_groups import Member, room_of
from integration.xmpp_raw import NS_CLIENT

pytestmark = pytest.mark.timeout(180)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PATIENCE_S = 20.0
SUBSCRIBER_COUNT = 20
REPLY = "urn:xmpp:reply:0"


class Caller:
    """A person who writes to a number; each message has an id of its own."""

    def __init__(self, name: str, number: str) -> None:
        self.client = Person(name, f"password of {name}")
        self.number = number
        self._count = 0

    def say(self, body: str, payload: str = "") -> str:
        """Write; returns the id of the message."""
        self._count += 1
        message_id = f"{self.client.account}-{self._count}"
        self.client.send_raw(
            f"<message to='{self.number}@localhost' type='chat' id='{message_id}'><body>{body}</body>"
            f"{payload}</message>"
        )
        return message_id

    def reply(self, answered: ET.Element, body: str, payload: str = "") -> str:
        """Answer a message (XEP-0461)."""
        return self.say(
            body, f"<reply xmlns='{REPLY}' to='{self.number}@localhost' id='{answered.get('id')}'/>{payload}"
        )

    async def hear(self, text: str) -> ET.Element:
        """Wait for the next message that has this in its text, and take it and all before it off what was seen."""
        found = await self.client.wait_seen(f"{text!r}", lambda stanza: text in body_of(stanza))
        del self.client.seen[: self.client.seen.index(found) + 1]
        return found

    def heard(self, text: str) -> int:
        """How many messages have this in their text."""
        return sum(text in body_of(stanza) for stanza in self.client.seen)


def body_of(stanza: ET.Element) -> str:
    """The text of a message; empty for anything else."""
    return (stanza.findtext(f"{{{NS_CLIENT}}}body") or "") if stanza.tag == f"{{{NS_CLIENT}}}message" else ""


def replied_to(stanza: ET.Element) -> str | None:
    """The id of the message that one answers."""
    reply = stanza.find(f"{{{REPLY}}}reply")
    return None if reply is None else reply.get("id")


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def has_callback(cluster: Cluster, made: Business, callback: str) -> bool:
    """Whether the program of a business has said that it wants to be told of events there."""
    headers = {"Authorization": f"Bearer {cluster.description()['admin_token']}"}
    async with httpx2.AsyncClient(base_url=http_url(cluster, 2), headers=headers) as client:
        response = await client.get(f"/admin/v1/businesses/{made.waba_id}")
    told: dict[str, Any] = response.raise_for_status().json()
    return any(one["url"].rstrip("/") == callback for app in told["apps"] for one in app["callbacks"])


@asynccontextmanager
async def program(cluster: Cluster, file: str, made: Business, **environment: str) -> AsyncIterator[None]:
    """Run an example as its README says; it has told where it listens when this enters."""
    port = free_port()
    given = {
        **os.environ,
        "RAFTLINE_URL": ",".join(http_url(cluster, node_id) for node_id in (1, 2, 3)),
        **{name.upper(): getattr(made, name) for name in ("phone_number_id", "token", "app_id", "app_secret")},
        "VERIFY_TOKEN": f"word of {file}",
        "CALLBACK_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
        **environment,
    }
    log = (cluster.data.parent / f"{file}.log").open("wb")
    command = (sys.executable, "-W", "error", str(EXAMPLES / file))
    process = await asyncio.create_subprocess_exec(*command, env=given, stdout=log, stderr=log)

    async def probe() -> bool:
        assert process.returncode is None, (cluster.data.parent / f"{file}.log").read_text()
        return await has_callback(cluster, made, given["CALLBACK_URL"])

    try:
        await wait_until(f"{file} listens", probe, PATIENCE_S)
        yield
        assert process.returncode is None, (cluster.data.parent / f"{file}.log").read_text()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        log.close()


@asynccontextmanager
async def callers(cluster: Cluster, number: str, names: Sequence[str]) -> AsyncIterator[list[Caller]]:
    """People with accounts, on nodes in turn."""
    people = [Caller(name, number) for name in names]
    async with AsyncExitStack() as stack:
        for place, person in enumerate(people):
            await person.client.register_account(cluster.node(1 + place % 3).xmpp)
            stack.push_async_callback(person.client.log_out)
        yield people


async def order(cluster: Cluster) -> None:
    """Somebody orders by typing, by a form and by a place, and is answered under the dish that was chosen."""
    made = await create_business(cluster, "Pizzeria", "15550001111")
    async with program(cluster, "order_bot.py", made), callers(cluster, "15550001111", ["anna"]) as [anna]:
        anna.say("hello")
        greeting = await anna.hear("what can we do for you?")
        values = [one.get("value") for one in greeting.iter("{urn:xmpp:tmp:quick-response}response")]
        assert values == ["order", "status"]
        anna.say("1")
        menu = await anna.hear("What would you like?")
        submitted = "<x xmlns='jabber:x:data' type='submit'><field var='choice'><value>funghi</value></field></x>"
        chosen = anna.reply(menu, "Funghi", submitted)
        where = await anna.hear("Where shall we bring it?")
        place = "<geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>52.52</lat><lon>13.405</lon></geoloc>"
        anna.reply(where, "geo:52.52,13.405", place)
        confirmed = await anna.hear("On its way to 52.5200, 13.4050. That will be 11, please.")
        assert replied_to(confirmed) == chosen
        anna.say("and now?")
        await anna.hear("what can we do for you?")
        anna.say("my ORDER")
        await anna.hear("Your funghi is on its way.")


async def alert(cluster: Cluster) -> None:
    """Whoever subscribed and has not stopped gets an alert, once; the list outlives the program."""
    made = await create_business(cluster, "Market News", "15550002222")
    file = cluster.data.parent / "subscribers"
    settings = {"EDITOR_WORD": "flash", "SUBSCRIBERS_FILE": str(file)}
    names = [f"reader{number}" for number in range(SUBSCRIBER_COUNT)]
    async with callers(cluster, "15550002222", [*names, "editor"]) as [*readers, editor]:
        async with program(cluster, "market_alerts.py", made, **settings):
            for reader in readers:
                reader.say("Subscribe")
            for reader in readers:
                await reader.hear("You will get our alerts.")
            readers[0].say("stop")
            await readers[0].hear("no more alerts")
        async with program(cluster, "market_alerts.py", made, **settings):
            editor.say("flash Gold at a new high")
            await editor.hear(f"Sent to {SUBSCRIBER_COUNT - 1} of {SUBSCRIBER_COUNT - 1}.")
            for reader in readers[1:]:
                await reader.hear("Gold at a new high")
            editor.say("flash Markets are closed")
            for reader in readers[1:]:
                await reader.hear("Markets are closed")
                assert reader.heard("Gold") == 0, "the first alert came once, before the second"
            assert readers[0].heard("Gold") == 0


async def ask_for_help(customer: Caller, question: str) -> None:
    """Ask the bot for a human, and then something."""
    customer.say("help")
    await customer.hear("How can we help?")
    customer.say("2")
    await customer.hear("What is it about?")
    customer.say(question)


async def support(cluster: Cluster) -> None:
    """The bot answers what it can, and hands over: to one person, then to a group."""
    made = await create_business(cluster, "Support", "15550003333")
    async with (
        program(cluster, "support_desk.py", made, DESK_WORD="open sesame"),
        callers(cluster, "15550003333", ["bert", "carla"]) as [bert, carla],
    ):
        bert.say("help")
        await bert.hear("How can we help?")
        bert.say("Opening hours")
        await bert.hear("from nine to six")
        bert.say("help")
        await bert.hear("How can we help?")
        bert.say("Ask a human")
        await bert.hear("Nobody is at the desk right now")
        carla.say("open sesame")
        await carla.hear("This is the support desk now.")
        await ask_for_help(bert, "My parcel is late")
        asked = await carla.hear("bert: My parcel is late")
        carla.reply(asked, "It comes tomorrow")
        await bert.hear("It comes tomorrow")
        carla.reply(asked, "done")
        await bert.hear("I am the bot again.")
        await support_in_group(cluster, made, bert)


async def support_in_group(cluster: Cluster, made: Business, bert: Caller) -> None:
    """The desk moves into a group; whoever is in it can reply."""
    with sync_client(cluster, made) as wa:
        await asyncio.to_thread(wa.create_group, subject="Desk")
        [group] = await asyncio.to_thread(wa.get_groups)
        link = (await asyncio.to_thread(wa.get_group_invite_link, group.id)).link
    room = room_of(group.id)
    dora = Member("dora")
    await dora.register_account(cluster.node(3).xmpp)
    try:
        await dora.enter(room, link)
        dora.write(room, "<body>open sesame</body>", "d1")
        await dora.wait_seen("that it is the desk", lambda stanza: "the support desk now" in body_of(stanza))
        await ask_for_help(bert, "Where is it?")
        question = "bert: Where is it?"
        asked = await dora.wait_seen("the question", lambda stanza: question in body_of(stanza))
        stanza_id = asked.find("{urn:xmpp:sid:0}stanza-id").get("id")
        dora.write(room, f"<body>At the station</body><reply xmlns='{REPLY}' id='{stanza_id}'/>", "d2")
        await bert.hear("At the station")
    finally:
        await dora.log_out()


@asynccontextmanager
async def answering(*statuses: int) -> AsyncIterator[tuple[str, list[str | None]]]:
    """A server that answers each connection's first request with the next status; its address, and the keys it saw."""
    left, keys = list(statuses), list[str | None]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        keys.append(next((line[17:] for line in head.split("\r\n") if line.startswith("idempotency-key: ")), None))
        writer.write(f"HTTP/1.1 {left.pop(0)} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", keys


async def test_a_send_is_repeated_under_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes past a node that is gone and those that cannot answer now; unnamed requests have keys of their own."""
    monkeypatch.syspath_prepend(EXAMPLES)
    safe_sending = importlib.import_module("safe_sending")
    gone = f"http://127.0.0.1:{free_port()}"
    async with answering(503, 200, 200) as (first, first_keys), answering(503) as (second, second_keys):
        transport = safe_sending.SafeTransport([gone, first, second])
        async with httpx.AsyncClient(transport=transport, base_url=gone) as client:
            response = await client.post("/v26.0/3/messages", json={})
            assert response.status_code == 200
            [drawn, again], [between] = first_keys, second_keys
            assert drawn
            assert drawn == again == between
            safe_sending.send_key.set("alert 1 ann")
            assert (await client.post("/v26.0/3/messages", json={})).status_code == 200
    assert first_keys[2:] == ["alert 1 ann"]


async def test_the_examples(cluster: Cluster) -> None:
    """Each program does what its first lines say."""
    await cluster.wait_version()
    await order(cluster)
    await alert(cluster)
    await support(cluster)
