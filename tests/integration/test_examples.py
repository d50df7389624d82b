"""
The programs of `examples/`, each a process that people talk to through a cluster of three nodes.

They are pywa as it is published, and people are clients of a library (slixmpp); so what is seen here is the way of a
message from a person to a program and back, over webhooks and the Cloud API.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from integration.cluster_process import Cluster, wait_until
from integration.person import Person
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


async def create(cluster: Cluster, name: str, number: str) -> dict[str, str]:
    """Create a business, as an operator does."""
    words = ("business", "create", name, "--number", number, "--json", "--data", str(cluster.data))
    done = await cluster.command(*words)
    assert done.returncode == 0, done.stderr
    made: dict[str, str] = json.loads(done.stdout)
    return made


async def has_callback(cluster: Cluster, made: dict[str, str], callback: str) -> bool:
    """Whether the program of a business has said that it wants to be told of events there."""
    url = f"http://127.0.0.1:{cluster.node(2).http}/admin/v1/businesses/{made['waba_id']}"
    async with httpx.AsyncClient() as client:
        response = await client.get(url, headers={"Authorization": f"Bearer {cluster.description()['admin_token']}"})
    told: dict[str, Any] = response.raise_for_status().json()
    return any(one["url"].rstrip("/") == callback for app in told["apps"] for one in app["callbacks"])


@asynccontextmanager
async def program(cluster: Cluster, file: str, made: dict[str, str], **environment: str) -> AsyncIterator[None]:
    """Run an example as its README says; it has told where it listens when this enters."""
    port = free_port()
    given = {
        **os.environ,
        "RAFTLINE_URL": ",".join(f"http://127.0.0.1:{cluster.node(node).http}" for node in (1, 2, 3)),
        **{name.upper(): made[name] for name in ("phone_number_id", "token", "app_id", "app_secret")},
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
    made = await create(cluster, "Pizzeria", "15550001111")
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
    made = await create(cluster, "Market News", "15550002222")
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


async def support(cluster: Cluster) -> None:
    """The bot answers, hands over to a person, and takes back."""
    made = await create(cluster, "Support", "15550003333")
    async with (
        program(cluster, "support_desk.py", made, DESK_WORD="open sesame"),
        callers(cluster, "15550003333", ["bert", "carla"]) as [bert, carla],
    ):
        bert.say("help")
        await bert.hear("How can we help?")
        bert.say("Ask a human")
        await bert.hear("Nobody is at the desk right now")
        carla.say("open sesame")
        await carla.hear("This is the support desk now.")
        bert.say("help")
        await bert.hear("How can we help?")
        bert.say("2")
        await bert.hear("What is it about?")
        bert.say("My parcel is late")
        asked = await carla.hear("bert: My parcel is late")
        carla.reply(asked, "It comes tomorrow")
        await bert.hear("It comes tomorrow")
        carla.reply(asked, "done")
        await bert.hear("I am the bot again.")
        bert.say("thanks")
        await bert.hear("How can we help?")


async def test_the_examples(cluster: Cluster) -> None:
    """Each program does what its first lines say."""
    await cluster.wait_version()
    await order(cluster)
    await alert(cluster)
    await support(cluster)
