"""
What people share where messages and publish-subscribe suffice: stickers (XEP-0449), contact cards (XEP-0054,
XEP-0292), stars (docs/pins.md), status posts (docs/status.md, XEP-0501).
"""

from __future__ import annotations

import pytest

from xmpp_im.conversations import archive, take
from xmpp_im.inbox import inbox
from xmpp_im.nodes import condition, friend_of, items, online, options, publish, request, told
from xmpp_im.service import Client, Service

ALICE, BOB = "alice@example.org", "bob@example.org"
STICKERS = "urn:xmpp:stickers:0"
STARS = "urn:raftline:stars:0"
STORIES = "urn:xmpp:pubsub-social-feed:stories:0"
DAY_S = 86_400
STICKER = (
    f"<body>hi</body><sticker xmlns='{STICKERS}' pack='p'/>"
    "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'/></file-sharing>"
)
CARDS = (
    "<vCard xmlns='vcard-temp'><FN>Carol</FN></vCard>",
    "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Carol</text></fn></vcard>",
)
PRIVATE = options(access_model="whitelist", persist_items="true", max_items="max")
STATUS = options(type=STORIES, access_model="presence", item_expire=str(DAY_S), max_items="max", persist_items="true")


def reaches(service: Service, phone: Client, inner: str) -> None:
    """Send a message, with a text or without; it is delivered, archived by both and unread."""
    bob = online(service, "bob")
    take(bob)
    phone.write(f"<message to='{BOB}' type='chat' id='m1'>{inner}</message>")
    [given] = take(bob)
    assert [child.tag for child in given] == [
        *(child.tag for child in archive(bob).messages[0]),
        "{urn:xmpp:sid:0}stanza-id",
    ]
    assert len(archive(phone).ids) == 1
    assert inbox(bob).unread == {"alice": 1}


class TestStickers:
    """XEP-0449."""

    @pytest.mark.parametrize("inner", [STICKER, f"<sticker xmlns='{STICKERS}'/>"])
    def test_a_message_like_others(self, service: Service, phone: Client, inner: str) -> None:
        """Section 4.1: with a text or without, whatever way the picture is given."""
        reaches(service, phone, inner)

    def test_packs(self, service: Service, phone: Client) -> None:
        """Section 4.3: who knows where a pack is may fetch it, contact or not."""
        pack = f"<pack xmlns='{STICKERS}'><name>Cats</name></pack>"
        publish(phone, STICKERS, pack, item_id="p", extra=options(access_model="open", max_items="max"))
        assert items(online(service, "carol"), STICKERS, to=ALICE) == [("p", "Cats")]


class TestCards:
    """Somebody's card in a message: that of XEP-0054, or of XEP-0292."""

    @pytest.mark.parametrize("card", CARDS)
    @pytest.mark.parametrize("text", ["", "<body>Carol</body>"])
    def test_a_message_like_others(self, service: Service, phone: Client, card: str, text: str) -> None:
        """It counts with a text for other clients and without."""
        reaches(service, phone, text + card)


class TestStars:
    """docs/pins.md: messages that an account has starred are items that nobody else reads."""

    def star(self, client: Client, stanza_id: str, name: str = "publish") -> tuple[str, ...]:
        """Star a message."""
        return condition(
            publish(client, STARS, f"<star xmlns='{STARS}' with='{BOB}'/>", item_id=stanza_id, extra=PRIVATE)
        )

    def test_on_all_devices(self, service: Service, phone: Client) -> None:
        """Another device hears of it, and of its end."""
        desk = online(service, "alice", "desk", wants=(STARS,))
        desk.take()
        assert self.star(phone, "7-1") == ()
        assert [(node, kind) for _, node, kind, _ in told(desk)] == [(STARS, "item")]
        assert [item_id for item_id, _ in items(desk, STARS)] == ["7-1"]
        assert (
            condition(request(phone, "set", f"<retract node='{STARS}' notify='true'><item id='7-1'/></retract>")) == ()
        )
        assert [(kind, item_id) for _, _, kind, item_id in told(desk)] == [("retract", "7-1")]
        assert items(phone, STARS) == []

    def test_nobody_else(self, service: Service, phone: Client) -> None:
        """Neither a contact is told, nor may anyone look."""
        bob = friend_of(service, phone, STARS)
        self.star(phone, "7-1")
        assert told(bob) == []
        reply = request(bob, "get", f"<items node='{STARS}'/>", to=ALICE)
        assert condition(reply)[0] in {"not-allowed", "forbidden", "item-not-found"}


@pytest.mark.one_process(reason="time is made to pass")
class TestStatus:
    """docs/status.md: a post is an item for contacts that expires after a day."""

    def post(self, client: Client, text: str, item_id: str) -> tuple[str, ...]:
        """Post something."""
        entry = f"<entry xmlns='http://www.w3.org/2005/Atom'><title>{text}</title></entry>"
        return condition(publish(client, STORIES, entry, item_id=item_id, extra=STATUS))

    def test_for_contacts_and_for_a_day(self, service: Service, phone: Client) -> None:
        """Contacts are told, and find each post until its own day is over."""
        bob = friend_of(service, phone, STORIES)
        assert self.post(phone, "morning", "s1") == ()
        service.pass_time(DAY_S // 2)
        assert self.post(phone, "evening", "s2") == ()
        assert [text for _, _, _, text in told(bob)] == ["morning", "evening"]
        assert [text for _, text in items(bob, STORIES, to=ALICE)] == ["morning", "evening"]
        service.pass_time(DAY_S // 2)
        assert [text for _, text in items(bob, STORIES, to=ALICE)] == ["evening"]
        service.pass_time(DAY_S // 2)
        assert items(phone, STORIES) == []

    def test_not_for_strangers(self, service: Service, phone: Client, carol: Client) -> None:
        """Who does not see the account's presence sees no posts."""
        carol.take()
        self.post(phone, "morning", "s1")
        assert told(carol) == []
        assert condition(request(carol, "get", f"<items node='{STORIES}'/>", to=ALICE))[0] == "not-authorized"

    def test_not_for_who_is_blocked(self, service: Service, phone: Client) -> None:
        """A contact that is blocked is neither told nor finds anything, though it is a contact still."""
        bob = friend_of(service, phone, STORIES)
        self.post(phone, "before", "s1")
        phone.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{BOB}'/></block></iq>")
        told(bob)
        self.post(phone, "after", "s2")
        assert told(bob) == []
        reply = request(bob, "get", f"<items node='{STORIES}'/>", to=ALICE)
        assert condition(reply) == ("service-unavailable", "cancel")
        phone.write("<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>")
        assert len(items(bob, STORIES, to=ALICE)) == 2

    def test_who_comes_later(self, service: Service, phone: Client) -> None:
        """A contact that was away is told of the last post when it comes, and finds all of them."""
        for number in range(3):
            self.post(phone, str(number), f"s{number}")
        bob = friend_of(service, phone, STORIES)
        again = online(service, "bob", "desk", wants=(STORIES,))
        assert [text for _, _, _, text in told(again)] == ["2"]
        assert len(items(bob, STORIES, to=ALICE)) == 3
