"""XEP-0398 avatar conversion, with XEP-0084 and XEP-0153, on the real state machine."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from base64 import b64encode

import pytest

from xmpp_im.nodes import INFO, OWNER, condition, friend_of, items, online, options, publish, request, told
from xmpp_im.playbook import answer, tree
from xmpp_im.rooms import ROOM, make_room
from xmpp_im.service import Client, Service

DATA = "urn:xmpp:avatar:data"
METADATA = "urn:xmpp:avatar:metadata"
UPDATE = "vcard-temp:x:update"
ALICE = "alice@example.org"
PNG = b"\x89PNG\r\n\x1a\n one"
GIF = b"GIF89a two"


def digest_of(picture: bytes) -> str:
    return hashlib.sha1(picture).hexdigest()


def card(content: str) -> str:
    return f"<vCard xmlns='vcard-temp'>{content}</vCard>"


def photo(picture: bytes, kind: str = "image/png") -> str:
    return f"<PHOTO><TYPE>{kind}</TYPE><BINVAL>{b64encode(picture).decode()}</BINVAL></PHOTO>"


def publish_avatar(client: Client, picture: bytes, *, model: str = "open", digest: str = "", extra: str = "") -> None:
    """As XEP-0084 section 3: the data first, then the metadata."""
    digest = digest or digest_of(picture)
    wanted = options(access_model=model)
    data = f"<data xmlns='{DATA}'>{b64encode(picture).decode()}</data>"
    assert condition(publish(client, DATA, data, item_id=digest, extra=wanted)) == ()
    info = f"<info id='{digest}' bytes='{len(picture)}' type='image/png'/>"
    metadata = f"<metadata xmlns='{METADATA}'>{extra}{info}</metadata>"
    assert condition(publish(client, METADATA, metadata, item_id=digest, extra=wanted)) == ()


def set_card(client: Client, content: str) -> None:
    client.write(f"<iq type='set' id='v'>{card(content)}</iq>")
    assert condition(answer(client.take(), "v")) == ()


def card_of(client: Client, to: str = "") -> dict[str, str] | None:
    """Return the texts of a card by the names of its elements; None when there is no card."""
    address = f" to='{to}'" if to else ""
    client.write(f"<iq type='get' id='v'{address}><vCard xmlns='vcard-temp'/></iq>")
    reply = answer(client.take(), "v")
    if reply.get("type") == "error":
        return None
    return {element.tag.rpartition("}")[2]: (element.text or "") for element in reply[0].iter()}


def photo_in(stanza: bytes) -> str | None:
    """Return the hash that presence shows; None when it says nothing of a picture."""
    return tree(stanza).findtext(f"{{{UPDATE}}}x/{{{UPDATE}}}photo")


def presences(client: Client) -> list[str | None]:
    return [photo_in(data) for data in client.take() if data.startswith(b"<presence")]


@pytest.fixture
def alice(service: Service) -> Client:
    return online(service, "alice")


@pytest.fixture
def bob(service: Service, alice: Client) -> Client:
    """A friend who wants to hear of avatars."""
    return friend_of(service, alice, METADATA)


@pytest.fixture
def stranger(service: Service) -> Client:
    return online(service, "carol")


def test_discovery(alice: Client) -> None:
    """Section 2: the account says so."""
    alice.write(f"<iq type='get' id='d' to='{ALICE}'><query xmlns='{INFO}'/></iq>")
    assert b"urn:xmpp:pep-vcard-conversion:0" in ET.tostring(answer(alice.take(), "d"))


class TestSection31FromPepToVcard:
    """3.1: a picture that was published is in the card."""

    def test_a_card_is_given_the_picture(self, alice: Client, bob: Client, stranger: Client) -> None:
        """Beside what else is in it, and if there is none at all."""
        publish_avatar(alice, PNG)
        expected = {"vCard": "", "PHOTO": "", "TYPE": "image/png", "BINVAL": b64encode(PNG).decode()}
        for client, to in ((alice, ""), (bob, ALICE), (stranger, ALICE)):
            assert card_of(client, to) == expected
        set_card(alice, "<FN>Alice</FN>")
        assert card_of(stranger, ALICE) == {**expected, "FN": "Alice"}

    def test_the_latest_picture(self, alice: Client, stranger: Client) -> None:
        """A published one takes the place of one that a card brought."""
        set_card(alice, photo(GIF, "image/gif"))
        publish_avatar(alice, PNG)
        assert (card_of(stranger, ALICE) or {})["BINVAL"] == b64encode(PNG).decode()

    def test_a_picture_that_is_taken_away(self, alice: Client, stranger: Client) -> None:
        """XEP-0084 3.5: empty metadata; the picture of an earlier card does not come back."""
        set_card(alice, "<FN>Alice</FN>" + photo(GIF, "image/gif"))
        publish(alice, METADATA, f"<metadata xmlns='{METADATA}'/>", item_id="current")
        assert card_of(stranger, ALICE) == {"vCard": "", "FN": "Alice"}

    @pytest.mark.parametrize("element", ["delete", "purge"])
    def test_nodes_that_go(self, alice: Client, bob: Client, element: str) -> None:
        """Some clients take their avatar away with the node: it is in no card and no presence any more."""
        publish_avatar(alice, PNG)
        bob.take()
        assert condition(request(alice, "set", f"<{element} node='{METADATA}'/>", namespace=OWNER)) == ()
        assert presences(bob) == [None]
        assert card_of(bob, ALICE) is None

    def test_an_item_that_is_retracted(self, alice: Client, bob: Client) -> None:
        """So is one whose item goes; another item changes nothing."""
        publish_avatar(alice, PNG)
        for item_id, shown in ((digest_of(GIF), []), (digest_of(PNG), [None])):
            bob.take()
            content = f"<retract node='{METADATA}'><item id='{item_id}'/></retract>"
            request(alice, "set", content)
            assert presences(bob) == shown

    def test_several_pictures(self, alice: Client, stranger: Client) -> None:
        """3.1: the one without a URL."""
        elsewhere = f"<info id='{digest_of(GIF)}' bytes='9' type='image/gif' url='https://x.example/a.gif'/>"
        publish_avatar(alice, PNG, extra=elsewhere)
        assert (card_of(stranger, ALICE) or {})["BINVAL"] == b64encode(PNG).decode()

    def test_an_id_that_is_no_hash_of_the_picture(self, alice: Client, stranger: Client) -> None:
        """3.1: it is not put into a card."""
        publish_avatar(alice, PNG, digest=digest_of(GIF))
        assert card_of(stranger, ALICE) is None

    @pytest.mark.parametrize("model", ["presence", "whitelist"])
    def test_who_may_not_read_the_nodes(self, alice: Client, bob: Client, stranger: Client, model: str) -> None:
        """Section 7: gets the card without the picture."""
        set_card(alice, "<FN>Alice</FN>")
        publish_avatar(alice, PNG, model=model)
        assert card_of(stranger, ALICE) == {"vCard": "", "FN": "Alice"}
        assert ("BINVAL" in (card_of(bob, ALICE) or {})) is (model == "presence")
        assert "BINVAL" in (card_of(alice) or {})


class TestSection32FromVcardToPep:
    """3.2: a picture that a card brings is published."""

    def test_both_nodes(self, alice: Client, bob: Client, stranger: Client) -> None:
        """The data under the hash, metadata of the type; who wants to hear hears."""
        set_card(alice, "<FN>Alice</FN>" + photo(GIF, "image/gif"))
        digest = digest_of(GIF)
        assert items(stranger, DATA, to=ALICE) == [(digest, b64encode(GIF).decode())]
        assert [item_id for item_id, _ in items(stranger, METADATA, to=ALICE)] == [digest]
        item = request(bob, "get", f"<items node='{METADATA}'/>", to=ALICE)[0][0][0]
        assert item[0][0].attrib == {"bytes": str(len(GIF)), "id": digest, "type": "image/gif"}
        assert told(bob) == [(ALICE, METADATA, "item", digest)]
        assert card_of(stranger, ALICE) == {
            "vCard": "",
            "FN": "Alice",
            "PHOTO": "",
            "TYPE": "image/gif",
            "BINVAL": b64encode(GIF).decode(),
        }

    def test_the_same_picture(self, alice: Client, bob: Client) -> None:
        """A card that brings what is there publishes nothing."""
        for _ in range(2):
            set_card(alice, photo(PNG))
        assert len(told(bob)) == 1

    def test_white_space_and_a_wrong_type(self, alice: Client, stranger: Client) -> None:
        """XEP-0153 4.6, 5: lines are joined; the type is that of the bytes."""
        text = b64encode(PNG).decode()
        lines = "\n ".join(text[start : start + 4] for start in range(0, len(text), 4))
        set_card(alice, f"<PHOTO><TYPE>image/gif</TYPE><BINVAL>\n{lines}\n</BINVAL></PHOTO>")
        assert (card_of(stranger, ALICE) or {})["TYPE"] == "image/png"

    @pytest.mark.parametrize(
        "content", ["<PHOTO><BINVAL>no base64!</BINVAL></PHOTO>", "<PHOTO><EXTVAL>https://x</EXTVAL></PHOTO>"]
    )
    def test_no_picture_that_could_be_read(self, alice: Client, stranger: Client, content: str) -> None:
        """The card is kept as it came, and nothing is published."""
        set_card(alice, content)
        assert "PHOTO" in (card_of(stranger, ALICE) or {})
        assert condition(request(alice, "get", f"<items node='{DATA}'/>")) == ("item-not-found", "cancel")

    def test_a_card_without_a_picture(self, alice: Client, stranger: Client) -> None:
        """It says nothing of the avatar; one with an empty picture takes it away (XEP-0153 4.3)."""
        publish_avatar(alice, PNG)
        set_card(alice, "<FN>Alice</FN>")
        assert "BINVAL" in (card_of(stranger, ALICE) or {})
        set_card(alice, "<FN>Alice</FN><PHOTO><BINVAL/></PHOTO>")
        assert card_of(stranger, ALICE) == {"vCard": "", "FN": "Alice"}
        assert [payload for _, payload in items(alice, METADATA)] == [""]


class TestSection4Presence:
    """4: the hash is in presence, on behalf of clients that do not know it."""

    def test_broadcast(self, service: Service, alice: Client, bob: Client) -> None:
        """In presence that is sent before the picture changes, at the change, and after it."""
        bob.take()
        publish_avatar(alice, PNG)
        assert presences(bob) == [digest_of(PNG)]
        online(service, "alice", "desk")
        assert presences(bob) == [digest_of(PNG)]
        set_card(alice, photo(GIF))
        assert presences(bob) == [digest_of(GIF)] * 2

    @pytest.mark.parametrize(
        ("said", "shown"),
        [
            ("", digest_of(PNG)),
            (f"<x xmlns='{UPDATE}'/>", digest_of(PNG)),
            (f"<x xmlns='{UPDATE}'><photo/></x>", ""),
            (f"<x xmlns='{UPDATE}'><photo>0123</photo></x>", "0123"),
        ],
    )
    @pytest.mark.parametrize("to", ["", " to='bob@example.org'"])
    def test_what_clients_say(self, alice: Client, bob: Client, said: str, shown: str, to: str) -> None:
        """4: an update without a photo is overwritten; an empty photo is left, and so is a hash. Directed or not."""
        publish_avatar(alice, PNG)
        bob.take()
        alice.write(f"<presence{to}><show>away</show>{said}</presence>")
        [stanza] = [data for data in bob.take() if data.startswith(b"<presence")]
        assert photo_in(stanza) == shown
        assert stanza.count(UPDATE.encode()) == 1

    def test_no_picture(self, alice: Client, bob: Client) -> None:
        """Without one nothing is added; farewells never have it."""
        bob.take()
        alice.write("<presence><show>away</show></presence>")
        publish_avatar(alice, PNG)
        alice.write("<presence to='bob@example.org' type='unavailable'/>")
        alice.write("<presence type='unavailable'/>")
        assert presences(bob) == [None, digest_of(PNG), None, None]

    def test_a_room(self, alice: Client, bob: Client) -> None:
        """Presence to a room is directed presence: occupants see the hash, in place of an empty update."""
        make_room(bob)
        publish_avatar(alice, PNG)
        alice.write(
            f"<presence to='{ROOM}/a'><x xmlns='{UPDATE}'/><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        shown = next(data for data in bob.take() if b"coven@conference.example.org/a" in data)
        assert photo_in(shown) == digest_of(PNG)
        assert shown.count(UPDATE.encode()) == 1
