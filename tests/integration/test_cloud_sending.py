"""A program with one library (pywa) sends all that it can to somebody with another (slixmpp), over three real nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import httpx2
import pytest
import pywa_async
from pywa import errors, types
from pywa.types import templates

from integration.business import Business, async_client, create_business, http_url, sync_client
from integration.cluster_process import Cluster, wait_until
from integration.person import Person
from integration.xmpp_client import CONNECT_TIMEOUT_S
from integration.xmpp_raw import NS_CLIENT
from raftline.base.ids import Epochs, parse_stanza_id
from raftline.machine.business.ids import parse_wamid, wamid

pytestmark = pytest.mark.timeout(120)

PASSWORD = "somebody-who-reads"
ANN, SHOP = "15551234567", "15550001111"
BODY = f"{{{NS_CLIENT}}}body"
LINK = "https://shop.example/files"
SENT_COUNT, WRITER_COUNT, KILLED_AFTER = 240, 12, 60
RETRY_PAUSE_S = 0.1


async def arrive(cluster: Cluster, node_id: int) -> Person:
    """Ann, at a node."""
    person = Person(ANN, PASSWORD, "xep_0085", "xep_0333", "xep_0444", "xep_0461")
    await person.register_account(cluster.node(node_id).xmpp)
    return person


def stanza_id_of(stanza: ET.Element) -> str:
    """Return the id that a message has in Ann's archive."""
    found = stanza.find("{urn:xmpp:sid:0}stanza-id")
    return "" if found is None else found.get("id") or ""


async def wait_wamid(person: Person, message_id: str) -> ET.Element:
    """Wait for the message that the API calls by an id."""
    parsed = parse_wamid(message_id)
    assert parsed is not None, message_id
    wanted = "{}-{}".format(*parsed)
    return await person.wait_seen(message_id, lambda stanza: stanza_id_of(stanza) == wanted)


def has(name: str, namespace: str) -> Callable[[ET.Element], bool]:
    """Return a check for a child of a message."""
    return lambda stanza: stanza.find(f"{{{namespace}}}{name}") is not None


def says(text: str) -> Callable[[ET.Element], bool]:
    """Return a check for a part of the text of a message."""
    return lambda stanza: text in (stanza.findtext(BODY) or "")


def card() -> types.Contact:
    """Return a card, whose empty fields the library sends as nulls."""
    name = types.Contact.Name(formatted_name="Bea B", first_name="Bea")
    return types.Contact(name=name, phones=[types.Contact.Phone(phone="+1555", type="WORK", wa_id="1555")])


def choices() -> types.SectionList:
    """Return a list of two sections."""
    return types.SectionList(
        button_title="Open",
        sections=[
            types.Section(title="Warm", rows=[types.SectionRow(title="Soup", callback_data="s", description="hot")]),
            types.Section(title="Cold", rows=[types.SectionRow(title="Ice", callback_data="i")]),
        ],
    )


BUTTONS = [types.Button(title="Yes", callback_data="yes"), types.Button(title="No", callback_data="no")]
TYPES: tuple[tuple[str, tuple[Any, ...], dict[str, Any], Callable[[ET.Element], bool]], ...] = (
    ("send_message", ("Hello",), {"preview_url": True, "tracker": "order-7"}, says("Hello")),
    ("send_message", ("Sure?",), {"buttons": BUTTONS, "header": "Order", "footer": "Now"}, says("1. Yes\n2. No")),
    ("send_message", ("Which?",), {"buttons": choices()}, says("2. Ice")),
    ("send_message", ("Look",), {"buttons": types.URLButton("Menu", "https://shop.example")}, says("Menu: https:")),
    ("send_image", (f"{LINK}/a.png",), {"caption": "A cat"}, says("A cat")),
    ("send_video", (f"{LINK}/a.mp4",), {"caption": "A film"}, has("file-sharing", "urn:xmpp:sfs:0")),
    ("send_audio", (f"{LINK}/a.mp3",), {}, has("x", "jabber:x:oob")),
    ("send_voice", (f"{LINK}/a.ogg",), {}, lambda stanza: "waveform" in ET.tostring(stanza, "unicode")),
    ("send_document", (f"{LINK}/a.pdf",), {"filename": "bill.pdf"}, says("a.pdf")),
    ("send_sticker", (f"{LINK}/a.webp",), {}, has("sticker", "urn:xmpp:stickers:0")),
    ("send_location", (52.5, 13.4), {"name": "Shop"}, has("geoloc", "http://jabber.org/protocol/geoloc")),
    ("send_contact", (card(),), {}, has("vCard", "vcard-temp")),
    ("request_location", ("Where to?",), {}, has("interactive", "urn:raftline:business:0")),
)


async def test_all_that_a_program_can_say(cluster: Cluster) -> None:
    """Every type, by both clients of the library, at different nodes: each arrives under the id that was answered."""
    shop = await create_business(cluster, "Ann's Shop", SHOP)
    ann = await arrive(cluster, 2)
    with sync_client(cluster, shop, 3) as blocking:
        async with async_client(cluster, shop, 1) as awaiting:
            for name, arguments, fields, is_right in TYPES:
                from_thread = await asyncio.to_thread(getattr(blocking, name), ANN, *arguments, **fields)
                from_loop = await getattr(awaiting, name)(ANN, *arguments, **fields)
                for sent in (from_thread, from_loop):
                    stanza = await wait_wamid(ann, sent.id)
                    assert is_right(stanza), ET.tostring(stanza, "unicode")
                    assert stanza.get("from") == shop.jid
                    assert stanza.findtext("{http://jabber.org/protocol/nick}nick") == "Ann's Shop"
                    assert (sent.input, sent.chat.id) == (ANN, ANN)
            bsuid = await bsuid_of(cluster, shop, ANN)
            assert (await awaiting.send_message(bsuid, "By BSUID")).input == bsuid
            await ann.wait_seen("a text by BSUID", says("By BSUID"))
    async with async_client(cluster, shop, 2) as client:
        await refer_to_what_ann_says(client, shop, ann)
        await send_what_is_stored(client, ann)
        await be_refused(client)
    async with async_client(cluster, replace(shop, token="x"), 2) as stranger:
        with pytest.raises(errors.ExpiredAccessToken):
            await stranger.send_message(ANN, "x")
    await ann.log_out()


async def bsuid_of(cluster: Cluster, shop: Business, to: str) -> str:
    """Send a text; return the BSUID that the answer tells, which the library has no place for."""
    body = {"messaging_product": "whatsapp", "to": to, "text": {"body": "Who?"}}
    url = f"{http_url(cluster, 2)}/v17.0/{shop.phone_number_id}/messages?access_token={shop.token}"
    async with httpx2.AsyncClient() as client:
        said = (await client.post(url, json=body)).json()
    return str(said["contacts"][0]["user_id"])


async def refer_to_what_ann_says(client: pywa_async.WhatsApp, shop: Business, ann: Person) -> None:
    """Answers, reactions, read and typing name a message of Ann's, and reach her client as it knows them."""
    ann.write(shop.jid, "<body>When do you open?</body>", "question")

    async def archived() -> str:
        async for stanza in ann.plugin["xep_0313"].iterate(rsm={"max": 10, "before": ""}, reverse=True):
            if stanza["mam_result"]["forwarded"]["stanza"]["id"] == "question":
                return str(stanza["mam_result"]["id"])
        return ""

    parsed = parse_stanza_id(await wait_until("the question is archived", archived, CONNECT_TIMEOUT_S))
    assert parsed is not None
    question = wamid(Epochs(parsed[0]), parsed[1])
    answer = await client.send_message(ANN, "At nine.", reply_to_message_id=question)
    stanza = await wait_wamid(ann, answer.id)
    reply = stanza.find("{urn:xmpp:reply:0}reply")
    assert reply is not None
    assert reply.get("id") == "question"
    assert stanza.findtext(BODY) == "> When do you open?\nAt nine."
    for emoji in ("\N{THUMBS UP SIGN}", ""):
        reacted = await client.send_reaction(ANN, emoji, question)
        reactions = (await wait_wamid(ann, reacted.id)).find("{urn:xmpp:reactions:0}reactions")
        assert reactions is not None
        assert reactions.get("id") == "question"
        assert [child.text for child in reactions] == ([emoji] if emoji else [])
    await client.indicate_typing(question)
    await ann.wait_seen("typing", has("composing", "http://jabber.org/protocol/chatstates"))
    await client.mark_message_as_read(question)
    marker = await ann.wait_seen("a marker", has("displayed", "urn:xmpp:chat-markers:0"))
    displayed = marker.find("{urn:xmpp:chat-markers:0}displayed")
    assert displayed is not None
    assert displayed.get("id") == "question"


async def send_what_is_stored(client: pywa_async.WhatsApp, ann: Person) -> None:
    """A template with its parameters, and an uploaded file by its id, whose address leads to it."""
    language = templates.TemplateLanguage.ENGLISH_US
    body = templates.BodyText("Dear {{1}}, order {{2}} is ready.", "Bea", "7")
    thanks = templates.QuickReplyButton(text="Thanks")
    await client.create_template(
        templates.Template(
            name="ready",
            language=language,
            category=templates.TemplateCategory.UTILITY,
            components=[body, templates.Buttons(buttons=[thanks])],
        )
    )
    params = [body.params("Ann", "8"), thanks.params(callback_data="thanks-8", index=0)]
    stanza = await wait_wamid(ann, (await client.send_template(ANN, "ready", language, params)).id)
    assert stanza.findtext(BODY) == "Dear Ann, order 8 is ready.\n\n1. Thanks"
    with pytest.raises(errors.TemplateParamCountMismatch):
        await client.send_template(ANN, "ready", language, [])
    with pytest.raises(errors.TemplateNotExists):
        await client.send_template(ANN, "unready", language, [])
    stanza = await wait_wamid(ann, (await client.send_document(ANN, b"%PDF-1.7", filename="bill.pdf")).id)
    async with httpx2.AsyncClient() as browser:
        fetched = await browser.get(stanza.findtext(BODY) or "")
    assert (fetched.status_code, fetched.content) == (200, b"%PDF-1.7")


async def be_refused(client: pywa_async.WhatsApp) -> None:
    """The library knows each refusal by its code."""
    for to, text, expected in (
        ("15559999999", "x", errors.MessageUndeliverable),
        (SHOP, "x", errors.WhatsAppError),
        (ANN, "x" * 4_097, errors.InvalidParameter),
        (ANN, " ", errors.MissingRequiredParameter),
    ):
        with pytest.raises(expected):
            await client.send_message(to, text)
    with pytest.raises(errors.MediaUploadError):
        await client.send_image(ANN, "40000000000000000000000000000000000000001")


async def test_sends_under_a_key_across_the_death_of_the_leader(cluster: Cluster) -> None:
    """Whatever was answered arrives once, in the order of each writer, though the leader dies and all is repeated."""
    shop = await create_business(cluster, "Ann's Shop", SHOP)
    ann = await arrive(cluster, await cluster.leader() % len(cluster.node_ids) + 1)
    answered: dict[str, str] = {}
    is_due = asyncio.Event()

    async def write(client: httpx2.AsyncClient, writer: int) -> None:
        for number in range(writer, SENT_COUNT, WRITER_COUNT):
            text = f"{writer}-{number}"
            answered[text] = await send_stubbornly(cluster, shop, client, text)
            if len(answered) >= KILLED_AFTER:
                is_due.set()

    async def kill() -> int:
        await is_due.wait()
        dying = await cluster.leader()
        await cluster.kill(dying)
        return dying

    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {shop.token}"}, timeout=20) as client:
        dead, *_ = await asyncio.gather(kill(), *(write(client, writer) for writer in range(WRITER_COUNT)))
        again = next(iter(answered))
        assert await send_stubbornly(cluster, shop, client, again) == answered[again]
    for message_id in answered.values():
        await wait_wamid(ann, message_id)
    texts = [text for sender, text in await ann.read_history(100) if sender == shop.jid]
    assert sorted(texts) == sorted(answered)
    for writer in range(WRITER_COUNT):
        own = [text for text in texts if text.startswith(f"{writer}-")]
        assert own == [f"{writer}-{number}" for number in range(writer, SENT_COUNT, WRITER_COUNT)]
    await ann.log_out()
    await be_told_of_a_missing_quorum(cluster, shop, [node_id for node_id in cluster.node_ids if node_id != dead])


async def be_told_of_a_missing_quorum(cluster: Cluster, shop: Business, survivors: list[int]) -> None:
    """With two of three nodes dead, the library hears why its message is not sent before it gives up by itself."""
    last, next_to_die = survivors
    await cluster.kill(next_to_die)
    async with async_client(cluster, shop, last) as client:
        with pytest.raises(errors.ServiceUnavailable):
            await client.send_message(ANN, "Is anybody there?")
        with pytest.raises(errors.ServiceUnavailable):
            await client.send_message("15559999999", "Or you?")


async def send_stubbornly(cluster: Cluster, shop: Business, client: httpx2.AsyncClient, text: str) -> str:
    """Send a text at one node after another, under the same key, until one answers; return the message's id."""
    body = {"messaging_product": "whatsapp", "to": ANN, "type": "text", "text": {"body": text}}
    tried = len(text)
    while True:
        url = f"{http_url(cluster, cluster.node_ids[tried % 3])}/v26.0/{shop.phone_number_id}/messages"
        tried += 1
        try:
            response = await client.post(url, json=body, headers={"Idempotency-Key": text})
        except httpx2.TransportError:
            await asyncio.sleep(RETRY_PAUSE_S)  # the pace of a program that tries another node
            continue
        if response.status_code == 200:
            return str(response.json()["messages"][0]["id"])
        assert response.status_code == 503, response.text
        assert response.json()["error"]["is_transient"] is True
        await asyncio.sleep(RETRY_PAUSE_S)
