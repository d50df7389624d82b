"""Texts, places, cards and reactions, as people's clients get them."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from raftline.base.cloud_limits import (
    CONTACT_COUNT_MAX,
    CONTACT_DETAIL_COUNT_MAX,
    PLACE_LENGTH_MAX,
    QUOTE_LENGTH_MAX,
    TEXT_LENGTH_MAX,
)
from raftline.base.ids import Epochs, Position
from raftline.base.limits import REACTION_SIZE_MAX
from raftline.machine.business.ids import wamid
from raftline.machine.message_commands import Storage
from raftline.xmpp.element import Element
from raftline.xmpp.reactions import is_reaction
from web.cloud.door import CloudDoor
from web.cloud.sent import ANN_JID, OWN_JID, children_of, known, refused, sent, text_of, tree

GEOLOC = "http://jabber.org/protocol/geoloc"


def values_of(element: Element) -> dict[str, str]:
    """Return the texts of an element's children."""
    return {child.name: child.text for child in element.elements()}


async def test_the_length_of_a_text(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """The longest text is sent, one character more is not, nor is none."""
    action = await sent(cloud, door, "text", {"body": "\U0001f600" * TEXT_LENGTH_MAX, "preview_url": True})
    assert len(text_of(tree(action))) == TEXT_LENGTH_MAX
    assert await refused(cloud, "text", {"body": "x" * (TEXT_LENGTH_MAX + 1)}) == 131009
    assert await refused(cloud, "text", {"body": " \n"}) == 131008


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\ufffe", "\uffff"])
async def test_characters_that_no_message_may_have(cloud: httpx2.AsyncClient, character: str) -> None:
    """They would break the stream of whoever gets them (XML 1.0 section 2.2)."""
    assert await refused(cloud, "text", {"body": f"a{character}b"}) == 131009


async def test_an_answer(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """An answer names what it answers, and repeats it for those who do not know answers."""
    context = {"message_id": known(door, 70_000, "> what before\nWhen do\nyou open?")}
    element = tree(await sent(cloud, door, "text", {"body": "At nine."}, context=context))
    quote = "> When do\n> you open?\n"
    assert text_of(element) == f"{quote}At nine."
    reply = element.child("reply", "urn:xmpp:reply:0")
    mark = element.child("fallback", "urn:xmpp:fallback:0")
    assert reply is not None
    assert reply.attributes == {"to": ANN_JID, "id": "m70000"}
    assert mark is not None
    assert mark.get("for") == "urn:xmpp:reply:0"
    assert next(mark.elements()).attributes == {"start": "0", "end": str(len(quote))}


async def test_what_an_answer_repeats_has_an_end(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A long message is repeated in part, an own one under the own address, and one without text not at all."""
    long = {"message_id": known(door, 70_000, "x" * 5_000, is_own=True)}
    element = tree(await sent(cloud, door, "text", {"body": "y"}, context=long))
    assert text_of(element) == f"> {'x' * QUOTE_LENGTH_MAX}\ny"
    reply = element.child("reply", "urn:xmpp:reply:0")
    assert reply is not None
    assert reply.get("to") == OWN_JID
    silent = {"message_id": known(door, 70_001, "")}
    element = tree(await sent(cloud, door, "text", {"body": "y"}, context=silent))
    assert text_of(element) == "y"
    assert "fallback" not in children_of(element)


async def test_what_cannot_be_answered(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """What is no id, is of another cluster, of nobody, or of another conversation."""
    elsewhere = known(door, 70_000, "x", peer="ben@example.org")
    other_cluster = wamid(Epochs(2), Position(70_000))
    beyond = wamid(Epochs(1), Position(1 << 63))
    for text in ("x", "wamid.", wamid(Epochs(1), Position(5)), elsewhere, other_cluster, beyond, ""):
        assert await refused(cloud, "text", {"body": "x"}, context={"message_id": text}) == 131009
        assert await refused(cloud, "reaction", {"message_id": text, "emoji": "👍"}) == 131009
    assert await refused(cloud, "text", {"body": "x"}, context={}) == 131008


async def test_a_place(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A place is an address that every client opens, and what XEP-0080 says of it."""
    place = {"latitude": 52.52, "longitude": "-13.405", "name": "Shop", "address": "1 Street & Lane"}
    element = tree(await sent(cloud, door, "location", place))
    assert text_of(element) == "geo:52.520000,-13.405000"
    geoloc = element.child("geoloc", GEOLOC)
    assert geoloc is not None
    assert values_of(geoloc) == {
        "lat": "52.520000",
        "lon": "-13.405000",
        "description": "Shop",
        "text": "1 Street & Lane",
    }
    element = tree(await sent(cloud, door, "location", {"latitude": -90, "longitude": 180, "name": None}))
    assert text_of(element) == "geo:-90.000000,180.000000"


async def test_places_that_are_none(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Beyond the poles, past the date line, no numbers, names without end."""
    for wrong in (
        {"latitude": 90.1, "longitude": 0},
        {"latitude": 0, "longitude": -180.1},
        {"latitude": "north", "longitude": 0},
        {"latitude": "nan", "longitude": 0},
        {"latitude": 0, "longitude": 0, "name": "x" * (PLACE_LENGTH_MAX + 1)},
    ):
        assert await refused(cloud, "location", wrong) == 131009, wrong
    assert await refused(cloud, "location", {"latitude": 0}) == 131008
    assert await refused(cloud, "location", None) == 131008
    await sent(cloud, door, "location", {"latitude": 0, "longitude": 0, "name": "x" * PLACE_LENGTH_MAX})


async def test_cards(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Cards have all that was said, nulls left out, and are text for whoever shows no cards."""
    cards: list[dict[str, Any]] = [
        {
            "name": {"formatted_name": "Dr. Bea B.", "first_name": "Bea", "last_name": "B", "prefix": "Dr."},
            "birthday": "1999-01-02",
            "phones": [{"phone": "+1 555 765", "type": "CELL", "wa_id": "1555765"}, {"phone": None}],
            "emails": [{"email": "bea@example.org", "type": "WORK"}],
            "urls": [{"url": "https://example.org"}],
            "addresses": [{"street": "1 Lane", "city": "Town", "zip": "12", "country_code": "de", "type": "HOME"}],
            "org": {"company": "Shop", "department": None, "title": "Chief"},
        },
        {"name": {"formatted_name": "Cid"}, "birthday": None, "phones": [], "emails": None, "org": None},
    ]
    element = tree(await sent(cloud, door, "contacts", cards))
    assert text_of(element) == "Dr. Bea B.\n+1 555 765\nbea@example.org\nhttps://example.org\n\nCid"
    first, second = (child for child in element.elements() if child.name == "vCard")
    assert {child.name for child in first.elements()} == {
        *("FN", "N", "BDAY", "TEL", "EMAIL", "ADR", "URL", "ORG", "TITLE", "JABBERID")
    }
    values = values_of(first)
    assert values["JABBERID"] == "1555765@example.org"
    assert (values["BDAY"], values["TITLE"]) == ("1999-01-02", "Chief")
    phone = first.child("TEL", "vcard-temp")
    assert phone is not None
    assert [child.name for child in phone.elements()] == ["CELL", "NUMBER"]
    assert values_of(second) == {"FN": "Cid"}


async def test_cards_that_cannot_be_sent(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """None, without a name, or too many of anything."""
    card: dict[str, Any] = {"name": {"formatted_name": "Cid"}}
    assert await refused(cloud, "contacts", []) == 131008
    assert await refused(cloud, "contacts", [{"name": {"first_name": "Cid"}}]) == 131008
    assert await refused(cloud, "contacts", [{"name": {"formatted_name": ""}}]) == 131008
    await sent(cloud, door, "contacts", [card] * CONTACT_COUNT_MAX)
    assert await refused(cloud, "contacts", [card] * (CONTACT_COUNT_MAX + 1)) == 131009
    for kind, detail in (("phones", {"phone": "1"}), ("addresses", {"city": "x"})):
        await sent(cloud, door, "contacts", [{**card, kind: [detail] * CONTACT_DETAIL_COUNT_MAX}])
        assert await refused(cloud, "contacts", [{**card, kind: [detail] * (CONTACT_DETAIL_COUNT_MAX + 1)}]) == 131009


async def test_a_reaction(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A reaction is nothing else, asks for no receipt and alerts nobody; an empty one takes it back."""
    message_id = known(door, 70_000, "x")
    for emoji, shown in (("👍", ["👍"]), ("1️⃣", ["1️⃣"]), ("👩‍👩‍👧", ["👩‍👩‍👧"]), ("", [])):
        action = await sent(cloud, door, "reaction", {"message_id": message_id, "emoji": emoji})
        element = tree(action)
        assert is_reaction(element)
        reactions = element.child("reactions", "urn:xmpp:reactions:0")
        assert reactions is not None
        assert reactions.get("id") == "m70000"
        assert [child.text for child in reactions.elements()] == shown
        assert action.message_id == ""
        assert action.message.storage == Storage.ARCHIVE | Storage.OFFLINE | Storage.COPY


async def test_reactions_that_are_none(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A reaction is an emoji, and names a message."""
    message_id = known(door, 70_000, "x")
    for emoji in ("ok", "ж", "7", "\U0001f600" * (REACTION_SIZE_MAX // 4 + 1)):
        assert await refused(cloud, "reaction", {"message_id": message_id, "emoji": emoji}) == 131009, emoji
    await sent(cloud, door, "reaction", {"message_id": message_id, "emoji": "\U0001f600" * (REACTION_SIZE_MAX // 4)})
    assert await refused(cloud, "reaction", {"emoji": "👍"}) == 131008
    assert await refused(cloud, "reaction", None) == 131008
