"""Announcement groups as clients see them: a moderated room, and reactions from those without voice (docs/rooms.md)."""

from __future__ import annotations

import pytest

from raftline.base.limits import REACTION_COUNT_MAX, REACTION_SIZE_MAX
from xmpp_im.playbook import DOMAIN
from xmpp_im.rooms import (
    CLIENT,
    INFO,
    ROOM,
    admin,
    codes,
    condition,
    features,
    form_values,
    iq,
    item,
    join,
    make_room,
    one,
    owner_form,
    take,
)
from xmpp_im.service import Client, Service

ON = "{urn:raftline:rooms}announcements"
REACTIONS = "{urn:raftline:rooms}announcement_reactions"
REACTION = "<reaction>\N{THUMBS UP SIGN}</reaction>"
ORIGIN = "<origin-id xmlns='urn:xmpp:sid:0' id='o'/>"
STORE = "<store xmlns='urn:xmpp:hints'/>"


@pytest.fixture
def service() -> Service:
    return Service("alice", "bob")


@pytest.fixture
def alice(service: Service) -> Client:
    client = service.bind("alice")
    make_room(client, "alice", (ON, "1"), ("muc#roomconfig_persistentroom", "1"))
    return client


@pytest.fixture
def bob(service: Service, alice: Client) -> Client:
    admin(alice, f"<item jid='bob@{DOMAIN}' affiliation='member'/>")
    client = service.bind("bob")
    join(client, "bob")
    take(alice)
    return client


def send(client: Client, inside: str) -> None:
    client.write(f"<message to='{ROOM}' type='groupchat' id='m'>{inside}</message>")


def react(inside: str = REACTION, attributes: str = "id='x'") -> str:
    return f"<reactions xmlns='urn:xmpp:reactions:0' {attributes}>{inside}</reactions>"


class TestAnyClient:
    """What a client sees that knows nothing of it."""

    def test_a_moderated_room(self, alice: Client, bob: Client) -> None:
        """Members are visitors, and the room says that it is moderated, though its owner has not said so."""
        assert "muc_moderated" in features(iq(bob, "get", f"<query xmlns='{INFO}'/>"))
        assert item(join(bob, "bob")[1]).attrib.items() >= {"affiliation": "member", "role": "visitor"}.items()
        send(bob, "<body>hi</body>")
        assert condition(one(bob)) == ("forbidden", "auth")
        send(alice, "<body>news</body>")
        assert one(bob).findtext(f"{CLIENT}body") == "news"

    def test_turned_on(self, alice: Client, bob: Client) -> None:
        """Everyone is told that the room changed, and of the roles."""
        iq(alice, "set", owner_form((ON, "0")))
        assert [item(stanza).get("role") for stanza in take(bob) if stanza.tag.endswith("presence")] == ["participant"]
        iq(alice, "set", owner_form((ON, "1")))
        told = take(bob)
        assert [item(stanza).get("role") for stanza in told if stanza.tag.endswith("presence")] == ["visitor"]
        assert any(codes(stanza) == {104} for stanza in told)

    def test_it_is_announced(self, alice: Client) -> None:
        """A client that knows more finds both settings; elsewhere there are none."""
        values = form_values(iq(alice, "get", f"<query xmlns='{INFO}'/>"))
        assert (values[ON], values[REACTIONS]) == (["1"], ["1"])
        iq(alice, "set", owner_form((ON, "0")))
        assert ON not in form_values(iq(alice, "get", f"<query xmlns='{INFO}'/>"))

    def test_chat_states(self, bob: Client) -> None:
        """Nobody sees somebody type who cannot speak."""
        send(bob, "<composing xmlns='http://jabber.org/protocol/chatstates'/>")
        assert condition(one(bob)) == ("forbidden", "auth")


class TestReactions:
    """XEP-0444 from members, where the group lets them."""

    @pytest.mark.parametrize(
        ("inside", "passes"),
        [
            (react(), True),
            (react(""), True),
            (react() + ORIGIN + STORE, True),
            (react(REACTION * REACTION_COUNT_MAX), True),
            (react(REACTION * (REACTION_COUNT_MAX + 1)), False),
            (react(f"<reaction>{'x' * REACTION_SIZE_MAX}</reaction>"), True),
            (react(f"<reaction>{'x' * (REACTION_SIZE_MAX + 1)}</reaction>"), False),
            (react("words"), False),
            (react() + "<body>words</body>", False),
            (react() + "<subject>words</subject>", False),
            (react() + react(), False),
            (react() + "<x xmlns='jabber:x:oob'><url>https://example.org</url></x>", False),
            ("<replace xmlns='urn:xmpp:message-correct:0' id='x'/><body>words</body>", False),
        ],
    )
    def test_what_passes(self, alice: Client, bob: Client, inside: str, passes: bool) -> None:
        """Reactions alone: no text beside them, none as long as a sentence, and not many."""
        send(bob, inside)
        assert (one(bob).get("type") == "groupchat") is passes
        assert bool(take(alice)) is passes

    def test_markers(self, alice: Client, bob: Client) -> None:
        """How far somebody has read is told, and nothing beside it."""
        marker = "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>"
        send(bob, marker)
        assert one(alice).find("{urn:xmpp:chat-markers:0}displayed") is not None
        take(bob)
        send(bob, marker + "<body>words</body>")
        assert condition(one(bob)) == ("forbidden", "auth")

    def test_turned_off(self, alice: Client, bob: Client) -> None:
        """A group that wants none refuses them."""
        iq(alice, "set", owner_form((REACTIONS, "0")))
        take(bob)
        send(bob, react())
        assert condition(one(bob)) == ("forbidden", "auth")
