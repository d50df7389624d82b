"""What happens to a number reaches an unmodified program (pywa), in order, also while the leader dies."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from xml.etree import ElementTree as ET

import httpx2
import pytest
from pywa import types

from integration.business import Business, async_client, create_business, http_url
from integration.cluster_process import Cluster, wait_until
from integration.person import Person
from integration.program import VERIFY_TOKEN, Program
from integration.xmpp_client import Chatter
from integration.xmpp_raw import register

pytestmark = pytest.mark.timeout(180)

PASSWORD = "somebody-who-writes"
ANN, SHOP = "15551234567", "15550001111"
WRITERS = ("15551230001", "15551230002", "carla", "dirk")
ASKS = "<request xmlns='urn:xmpp:receipts'/>"
MESSAGE_COUNT = 150
KILLED_AFTER = 50
SETTLE_TIMEOUT_S = 40.0


async def test_webhooks(cluster: Cluster) -> None:
    """Messages, answers and statuses; then the leader dies amid some hundred messages, and a stream has them all."""
    async with Program() as program:
        shop = await create_business(cluster, "Ann's Shop", SHOP)
        program.speak_for(shop)
        await administer(cluster, shop, "streams", {"streams": True})
        await administer(cluster, shop, "callbacks", callback(program))
        await hear_of_everything(cluster, shop, program)
        await lose_the_leader(cluster, shop, program)
        streamed = await read_stream(cluster, shop, len(program.values()))
    assert streamed == set(program.bodies)


def callback(program: Program) -> dict[str, Any]:
    """Return the callback of a program."""
    return {"scope": "app", "url": program.url, "verify_token": VERIFY_TOKEN, "fields": ["messages"]}


async def administer(cluster: Cluster, shop: Business, what: str, body: dict[str, Any]) -> dict[str, Any]:
    """Change something of the shop's application."""
    headers = {"Authorization": f"Bearer {cluster.description()['admin_token']}"}
    async with httpx2.AsyncClient(base_url=http_url(cluster, 2), headers=headers) as client:
        response = await client.put(f"/admin/v1/apps/{shop.app_id}/{what}", json=body)
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json()
    return told


async def hear_of_everything(cluster: Cluster, shop: Business, program: Program) -> None:
    """A message, how far the answer has come, a button and an edit, as the handlers of the library get them."""
    ann = Person(ANN, PASSWORD, "xep_0184")
    await ann.register_account(cluster.node(2).xmpp)
    async with async_client(cluster, shop, 3) as client:
        ann.write(shop.jid, f"<body>Hello</body>{ASKS}", "m1")
        message = await program.wait_update("a message", lambda update: getattr(update, "text", "") == "Hello")
        assert (message.from_user.wa_id, message.chat.type) == (ANN, "PRIVATE")
        await wait_receipt(ann, "m1")
        buttons = [types.Button(title="Yes", callback_data="yes"), types.Button(title="No", callback_data="no")]
        sent = await client.send_message(
            message.from_user.bsuid,
            "Coffee?",
            buttons=buttons,
            reply_to_message_id=message.id,
            tracker="order 7",
        )
        for status in ("sent", "delivered"):
            told = await program.wait_update(
                status, lambda update, status=status: getattr(update, "status", "") == status and update.id == sent.id
            )
            assert told.tracker == "order 7"
        question = await ann.wait_seen("the question", lambda stanza: "Coffee?" in "".join(stanza.itertext()))
        displayed = f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{question.get('id')}'/>"
        ann.write(shop.jid, displayed, "m2")
        await program.wait_update("read", lambda update: getattr(update, "status", "") == "read")
        ann.write(shop.jid, f"<body>1</body>{ASKS}", "m3")
        answer = await program.wait_update("an answer", lambda update: getattr(update, "data", None) == "yes")
        assert (answer.title, answer.reply_to_message.id) == ("Yes", sent.id)
        await wait_receipt(ann, "m3")
        ann.write(shop.jid, "<body>Hi</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/>", "m4")
        edit = await program.wait_update("an edit", lambda update: hasattr(update, "message"))
        assert (edit.message.text, edit.original_message_id) == ("Hi", message.id)
    await ann.log_out()


async def wait_receipt(person: Person, message_id: str) -> None:
    """Wait for the receipt of a message (XEP-0184), which comes once the program has taken it."""

    def names_it(stanza: ET.Element) -> bool:
        received = stanza.find("{urn:xmpp:receipts}received")
        return received is not None and received.get("id") == message_id

    await person.wait_seen(f"a receipt of {message_id}", names_it)


async def lose_the_leader(cluster: Cluster, shop: Business, program: Program) -> None:
    """Four people write without pause while the leader is killed: all arrives, in order, repeated with equal bytes."""
    for name in WRITERS:
        await register(cluster.node(1).xmpp, name, PASSWORD)
    writers = [
        Chatter(cluster, name, PASSWORD, shop.jid, node_id=place % cluster.node_count + 1)
        for place, name in enumerate(WRITERS)
    ]
    told = len(program.values())
    async with asyncio.TaskGroup() as tasks:
        lives = [tasks.create_task(writer.run()) for writer in writers]
        for number in range(MESSAGE_COUNT):
            for writer in writers:
                writer.write()
            if number == KILLED_AFTER:
                await cluster.kill(await cluster.leader())
            await asyncio.sleep(0.01)

        async def all_told() -> bool:
            return len(program.values()) >= told + MESSAGE_COUNT * len(WRITERS)

        await wait_until("every message told", all_told, SETTLE_TIMEOUT_S)
        for writer in writers:
            await writer.close()
        await asyncio.gather(*lives)
    check(program, told)


def check(program: Program, told: int) -> None:
    """None is lost, none doubled by its id, each writer's in order, and the library has taken each once."""
    values = program.values()[told:]
    assert len({value["messages"][0]["id"] for value in values}) == len(values) == MESSAGE_COUNT * len(WRITERS)
    for name in WRITERS:
        texts = [value["messages"][0]["text"]["body"] for value in values]
        assert [text for text in texts if text.startswith(f"{name} ")] == [
            f"{name} says {number}" for number in range(MESSAGE_COUNT)
        ]
    handled = Counter(update.id for update in program.updates)
    assert all(handled[value["messages"][0]["id"]] == 1 for value in values)


async def read_stream(cluster: Cluster, shop: Business, count: int) -> set[bytes]:
    """Read so many events as a stream, from their beginning, at a node that follows; return what each says."""
    node_id = await cluster.leader() % cluster.node_count + 1
    node_id = node_id if await cluster.is_ready(node_id) else node_id % cluster.node_count + 1
    headers = {"Authorization": f"Bearer {shop.token}", "Last-Event-ID": "1-0"}
    url = f"{http_url(cluster, node_id)}/v26.0/{shop.app_id}/events"
    found: set[bytes] = set()
    async with (
        asyncio.timeout(SETTLE_TIMEOUT_S),
        httpx2.AsyncClient(headers=headers, timeout=SETTLE_TIMEOUT_S) as client,
        client.stream("GET", url) as response,
    ):
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                found.add(line.removeprefix("data: ").encode())
            if len(found) == count:
                break
    return found
