"""
What people send one another, between clients of a library on three nodes, before and after the death of the leader.

Texts, replies, reactions, edits, deletions, receipts and markers with their ticks, voice notes, pictures and documents
by link, places, live locations, and what disappears: each sent on one node, seen on another, and read from the archive
of any.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError

from integration.archive import read_archive
from integration.cluster_process import Cluster, wait_until
from integration.person import Person
from integration.test_uploads import SERVICE, UPLOAD, content_of, digest_at, put
from integration.xmpp_client import CONNECT_TIMEOUT_S
from integration.xmpp_raw import NS_CLIENT, RawClient, register

pytestmark = pytest.mark.timeout(180)

PASSWORD = "all-sorts-of-things"
ANNA, BERT = "anna@localhost", "bert@localhost"
BODY = f"{{{NS_CLIENT}}}body"
REACTIONS = "urn:xmpp:reactions:0"
GEOLOC = "http://jabber.org/protocol/geoloc"
PUBSUB = "http://jabber.org/protocol/pubsub"
EVENT = f"{PUBSUB}#event"
TICKS = "urn:raftline:ticks:0"
FILES = {"voice.ogg": "audio/ogg", "picture.png": "image/png", "document.pdf": "application/pdf"}
PLUGINS = (
    "xep_0060", "xep_0066", "xep_0115", "xep_0163", "xep_0184", "xep_0280", "xep_0308", "xep_0333", "xep_0424",
    "xep_0444", "xep_0461",
)  # fmt: skip
VANISHES_S, EXPIRES_S = 3, 5


async def arrive(cluster: Cluster, name: str, node_id: int) -> Person:
    """A device on one node, which wants copies and to know where its contacts are."""
    person = Person(name, PASSWORD, *PLUGINS)
    await person.log_in(cluster.node(node_id).xmpp)
    await person.plugin["xep_0280"].enable()
    await person.plugin["xep_0030"].add_feature(f"{GEOLOC}+notify")
    await person.plugin["xep_0115"].update_caps()
    return person


async def history(cluster: Cluster, name: str, node_id: int) -> list[str]:
    """Texts of an archive as one node has it, in order; empty for what has none."""
    async with RawClient() as reader:
        await reader.log_in(cluster.node(node_id).xmpp, name, PASSWORD, resource=f"reader-{node_id}")
        return [row.body for row in await read_archive(reader)]


async def own_id_of(person: Person, text: str) -> str:
    """The id that a message of one's own has in the own archive."""
    async for stanza in person.plugin["xep_0313"].iterate(rsm={"max": 100}):
        if stanza["mam_result"]["forwarded"]["stanza"]["body"] == text:
            return str(stanza["mam_result"]["id"])
    raise AssertionError(f"{text!r} is not in the archive")


async def texts_and_ticks(anna: Person, bert: Person, tag: str) -> None:
    """A text, the receipt that the library sends by itself, a marker, and what of them the ticks tell (0184, 0333)."""
    message = anna.make_message(mto=JID(BERT), mbody=f"text {tag}", mtype="chat")
    message["id"] = f"text-{tag}"
    message["request_receipt"] = True
    message.enable("markable")
    message.send()
    arrived = await bert.wait_message(f"text-{tag}")
    assert arrived.findtext(BODY) == f"text {tag}"
    receipt = "{urn:xmpp:receipts}received"
    await anna.wait_seen(
        "a receipt", lambda stanza: (found := stanza.find(receipt)) is not None and found.get("id") == f"text-{tag}"
    )
    bert.plugin["xep_0333"].send_marker(JID(ANNA), f"text-{tag}", "displayed")
    marker = "{urn:xmpp:chat-markers:0}displayed"
    await anna.wait_seen(
        "a marker", lambda stanza: (found := stanza.find(marker)) is not None and found.get("id") == f"text-{tag}"
    )
    sent = await own_id_of(anna, f"text {tag}")

    async def is_read() -> bool:
        answer = await anna.ask("get", f"<ticks xmlns='{TICKS}' with='{BERT}'><message id='{sent}'/></ticks>")
        return [(tick.get("received"), tick.get("read")) for tick in answer[0]] == [("1", "1")]

    await wait_until("both ticks", is_read, CONNECT_TIMEOUT_S, interval_s=0.05)


async def answers_and_changes(anna: Person, bert: Person, tag: str) -> None:
    """A reply (0461), reactions (0444), an edit (0308) and a deletion for everyone (0424)."""
    bert.plugin["xep_0461"].send_reply(JID(ANNA), f"text-{tag}", mto=JID(ANNA), mbody=f"reply {tag}", mtype="chat")
    reply = await anna.wait_seen("a reply", lambda stanza: stanza.findtext(BODY) == f"reply {tag}")
    assert reply.find("{urn:xmpp:reply:0}reply").get("id") == f"text-{tag}"  # type: ignore[union-attr]

    bert.plugin["xep_0444"].send_reactions(JID(ANNA), f"text-{tag}", {"\N{THUMBS UP SIGN}"})

    def has_reactions(stanza: ET.Element) -> bool:
        found = stanza.find(f"{{{REACTIONS}}}reactions")
        return found is not None and found.get("id") == f"text-{tag}"

    reaction = await anna.wait_seen("a reaction", has_reactions)
    assert [found.text for found in reaction.iter(f"{{{REACTIONS}}}reaction")] == ["\N{THUMBS UP SIGN}"]

    edit = anna.plugin["xep_0308"].build_correction(f"text-{tag}", JID(BERT), mbody=f"edited {tag}", mtype="chat")
    edit.send()
    edited = await bert.wait_seen("an edit", lambda stanza: stanza.findtext(BODY) == f"edited {tag}")
    assert edited.find("{urn:xmpp:message-correct:0}replace").get("id") == f"text-{tag}"  # type: ignore[union-attr]

    anna.write(BERT, f"<body>regretted {tag}</body>", f"regretted-{tag}")
    await bert.wait_message(f"regretted-{tag}")
    anna.plugin["xep_0424"].send_retraction(JID(BERT), f"regretted-{tag}", fallback_text="deleted")
    retract = "{urn:xmpp:message-retract:1}retract"
    await bert.wait_seen(
        "a deletion",
        lambda stanza: (found := stanza.find(retract)) is not None and found.get("id") == f"regretted-{tag}",
    )


async def files(cluster: Cluster, node_ids: list[int], anna: Person, bert: Person, tag: str) -> None:
    """A voice note, a picture and a document: put into one node, linked (0066), read from every other (0363)."""
    for number, (name, content_type) in enumerate(FILES.items()):
        content = content_of(number, 20_000 + number)
        attributes = f"filename='{name}' size='{len(content)}' content-type='{content_type}'"
        slot = await anna.ask("get", f"<request xmlns='{UPLOAD}' {attributes}/>", SERVICE)
        path, url = (
            str(slot.find(f"{{{UPLOAD}}}slot/{{{UPLOAD}}}{kind}").get("url"))  # type: ignore[union-attr]
            for kind in ("put", "get")
        )
        port = cluster.node(node_ids[number % len(node_ids)]).http
        assert await asyncio.to_thread(put, port, urlsplit(path).path, content, content_type) == 201
        message = anna.make_message(mto=JID(BERT), mbody=url, mtype="chat")
        message["oob"]["url"] = url
        message.send()
        arrived = await bert.wait_seen(f"a link to {name}", lambda stanza, url=url: stanza.findtext(BODY) == url)
        link = arrived.findtext("{jabber:x:oob}x/{jabber:x:oob}url") or ""
        digests = {
            await asyncio.to_thread(digest_at, cluster.node(node_id).http, urlsplit(link).path) for node_id in node_ids
        }
        assert digests == {hashlib.sha256(content).hexdigest()}, (name, tag)


async def places(anna: Person, bert: Person, tag: str) -> None:
    """A place in a message (0080), with the fallback that every client shows."""
    place = f"<geoloc xmlns='{GEOLOC}'><lat>45.44</lat><lon>12.33</lon></geoloc>"
    anna.write(BERT, f"<body>geo:45.44,12.33</body>{place}", f"place-{tag}")
    arrived = await bert.wait_message(f"place-{tag}")
    assert arrived.findtext(BODY) == "geo:45.44,12.33"
    assert arrived.findtext(f"{{{GEOLOC}}}geoloc/{{{GEOLOC}}}lat") == "45.44"


async def locate(person: Person, inner: str) -> str:
    """Publish, for a few seconds, where somebody is; returns the condition of an error, empty for none."""
    head = f"<field var='FORM_TYPE'><value>{PUBSUB}#publish-options</value></field>"
    field = f"<field var='pubsub#item_expire'><value>{EXPIRES_S}</value></field>"
    form = f"<publish-options><x xmlns='jabber:x:data' type='submit'>{head}{field}</x></publish-options>"
    item = f"<item id='current'><geoloc xmlns='{GEOLOC}'>{inner}</geoloc></item>"
    try:
        await person.ask("set", f"<pubsub xmlns='{PUBSUB}'><publish node='{GEOLOC}'>{item}</publish>{form}</pubsub>")
    except IqError as error:
        return str(error.condition)
    return ""


async def live_location(anna: Person, bert: Person) -> None:
    """Started, refused when malformed or too often, updated, ended, each end seen by the contact."""

    def shows(latitude: str | None) -> Callable[[ET.Element], bool]:
        def accept(stanza: ET.Element) -> bool:
            found = stanza.find(f"{{{EVENT}}}event//{{{GEOLOC}}}geoloc")
            return found is not None and found.findtext(f"{{{GEOLOC}}}lat") == latitude

        return accept

    async def is_taken(inner: str) -> bool:
        return await locate(anna, inner) == ""

    bert.seen.clear()
    for malformed in ("<lat>91</lat>", "<lat>north</lat>", "<lon>180.5</lon>"):
        assert await locate(anna, malformed) == "bad-request", malformed
    await wait_until("the start", lambda: is_taken("<lat>1</lat>"), CONNECT_TIMEOUT_S)
    refusals = [await locate(anna, f"<lat>{number}.5</lat>") for number in range(2)]
    assert "resource-constraint" in refusals
    await bert.wait_seen("the start", shows("1"))
    await wait_until("an update", lambda: is_taken("<lat>2</lat>"), CONNECT_TIMEOUT_S)
    await bert.wait_seen("the update", shows("2"))
    assert await locate(anna, "") == "", "an end is never too soon"
    await bert.wait_seen("the end", shows(None))


async def what_ends_by_itself(anna: Person, bert: Person, tag: str) -> None:
    """A message that disappears (0466), and a live location whose device falls silent."""
    bert.seen.clear()
    anna.write(
        BERT, f"<body>vanishes {tag}</body><ephemeral xmlns='urn:xmpp:ephemeral:0' timer='{VANISHES_S}'/>", f"van-{tag}"
    )
    await bert.wait_message(f"van-{tag}")

    async def is_taken() -> bool:
        return await locate(anna, "<lat>7</lat>") == ""

    await wait_until("a location that expires", is_taken, CONNECT_TIMEOUT_S)
    bert.seen.clear()
    await bert.wait_seen("the expiry", lambda stanza: stanza.find(f"{{{EVENT}}}event//{{{EVENT}}}retract") is not None)


def expected_texts(tag: str) -> list[str]:
    """What is left of one round in either archive, links left out; receipts and markers are not archived."""
    return [f"text {tag}", f"reply {tag}", "", f"edited {tag}", "", "deleted", "geo:45.44,12.33", ""]


async def test_everything_that_people_send(cluster: Cluster) -> None:
    """Two rounds of all of it; in between the leader dies, and afterwards all nodes tell the same history."""
    for name in ("anna", "bert"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    leader = await cluster.leader()
    alive = [node_id for node_id in cluster.node_ids if node_id != leader]
    anna, bert = await arrive(cluster, "anna", alive[0]), await arrive(cluster, "bert", alive[1])
    await anna.add_contact(BERT)

    async def play(tag: str, node_ids: list[int]) -> None:
        await texts_and_ticks(anna, bert, tag)
        await answers_and_changes(anna, bert, tag)
        await files(cluster, node_ids, anna, bert, tag)
        await places(anna, bert, tag)
        await live_location(anna, bert)
        await what_ends_by_itself(anna, bert, tag)

    await play("one", [leader, *alive])
    await cluster.kill(leader)
    await play("two", alive)
    expected = expected_texts("one") + expected_texts("two")

    async def is_told(name: str, node_id: int) -> bool:
        texts = await history(cluster, name, node_id)
        return [text for text in texts if "/upload/" not in text] == expected

    for name, node_id in (("anna", alive[1]), ("bert", alive[0])):
        await wait_until("the history", lambda name=name, node_id=node_id: is_told(name, node_id), CONNECT_TIMEOUT_S)
    for person in (anna, bert):
        await person.log_out()
    await cluster.start_node(leader)
    await cluster.wait_healthy()
    await cluster.wait_equal_hashes()
    assert await is_told("bert", leader)
