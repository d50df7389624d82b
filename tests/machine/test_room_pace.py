"""Slow mode (XEP-0500): whose turn it is, by the time in the log."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine.rooms import change_affiliation, configure, enter, heard, leave, open_room, raise_version, refusal, say
from machine.world import Client, World
from raftline.base.limits import SLOW_MODE_S_MAX
from raftline.machine.outcomes import Done, Rejected
from raftline.machine.rooms.ranks import Affiliation

PACE_S = 30
TOO_SOON = ("policy-violation", "wait")


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """Machine of the present version."""
    world = new_world()
    raise_version(world)
    for name in ("alice", "bob", "carol"):
        world.account(name)
    return world


@pytest.fixture
def alice(world: World) -> Client:
    """Who owns a room in slow mode."""
    client = world.online("alice")
    open_room(client, "alice", persistent=True, slow_mode_s=PACE_S)
    return client


@pytest.fixture
def bob(world: World, alice: Client) -> Client:
    client = world.online("bob", node_id=2)
    enter(client, "bob")
    return client


def remaining(outcome: object) -> str:
    assert isinstance(outcome, Rejected)
    return outcome.detail.removeprefix("{urn:raftline:rooms:0}slow-mode remaining=")


class TestTurns:
    """Who may speak when."""

    def test_to_the_millisecond(self, world: World, alice: Client, bob: Client):
        """Not before the time has passed; what is refused reaches nobody, and does not begin the time anew."""
        assert heard(say(bob, "one"), alice) == ["one"]
        early = say(bob, "two")
        assert (refusal(early), early.events) == (TOO_SOON, [])
        assert remaining(early.outcome) == str(PACE_S)
        world.time_ms += 1000 * PACE_S - 1
        early = say(bob, "two")
        assert (refusal(early), remaining(early.outcome)) == (TOO_SOON, "1")
        world.time_ms += 1
        assert heard(say(bob, "two"), alice) == ["two"]
        assert refusal(say(bob, "three")) == TOO_SOON

    def test_of_an_account(self, world: World, alice: Client, bob: Client):
        """Neither another device nor another nickname nor coming anew makes it shorter; others have their own."""
        say(bob, "one")
        tablet = world.online("bob", "tablet", node_id=3)
        enter(tablet, "robert")
        assert refusal(say(tablet, "two")) == TOO_SOON
        leave(bob)
        enter(bob, "bobby")
        assert refusal(say(bob, "two")) == TOO_SOON
        carol = world.online("carol")
        enter(carol, "carol")
        assert say(carol, "hi").outcome == Done()

    @pytest.mark.parametrize(
        ("payload", "counts"),
        [
            ("<body>text</body>", True),
            ("<body>text</body><replace xmlns='urn:xmpp:message-correct:0' id='x'/>", True),
            ("<encrypted xmlns='urn:xmpp:omemo:2'><payload>x</payload></encrypted>", True),
            (
                "<body>like</body><reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>+</reaction></reactions>",
                True,
            ),
            ("<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>+</reaction></reactions>", False),
            ("<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>", False),
            ("<retract xmlns='urn:xmpp:message-retract:1' id='x'/>", False),
            ("<encrypted xmlns='urn:xmpp:omemo:2'/>", False),
        ],
    )
    def test_what_counts(self, bob: Client, payload: str, counts: bool):
        """What has text, or may have some inside; neither is what does not count refused, nor does it take the turn."""
        stanza = f"<message type='groupchat'>{payload}</message>".encode()
        assert say(bob, "", stanza=stanza).outcome == Done()
        outcome = say(bob, "text").outcome
        assert (outcome == Done()) is not counts
        assert (say(bob, "", stanza=stanza).outcome == Done()) is not counts

    def test_admins(self, alice: Client, bob: Client):
        """Owners and admins are not held up; a member is."""
        assert [say(alice, text).outcome for text in ("a", "b")] == [Done(), Done()]
        change_affiliation(alice, "bob", Affiliation.ADMIN)
        assert [say(bob, text).outcome for text in ("a", "b")] == [Done(), Done()]
        change_affiliation(alice, "bob", Affiliation.MEMBER)
        assert say(bob, "c").outcome == Done()
        assert refusal(say(bob, "d")) == TOO_SOON

    def test_sent_again(self, world: World, alice: Client, bob: Client):
        """What arrived is not refused when it comes again; what was refused may come again under its origin id."""
        first = {"origin_id": "o1", "fingerprint": b"1"}
        second = {"origin_id": "o2", "fingerprint": b"2"}
        say(bob, "one", **first)
        again = say(bob, "one", **first)
        assert (again.outcome, again.events) == (Done(), [])
        assert refusal(say(bob, "two", **second)) == TOO_SOON
        world.time_ms += 1000 * PACE_S
        assert heard(say(bob, "two", **second), alice) == ["two"]

    def test_what_came_along_is_undone(self, world: World, bob: Client):
        """A refused message has marked nothing as read either."""
        say(bob, "one")
        before = world.count("read_mark")
        world.machine.commit()
        assert refusal(say(bob, "two", marked=1)) == TOO_SOON
        assert world.count("read_mark") == before


def test_a_room_without(world: World, alice: Client, bob: Client):
    """Where it is turned off nobody waits, and nothing is noted."""
    configure(alice, persistent=True)
    assert [say(bob, text).outcome for text in ("a", "b")] == [Done(), Done()]
    assert world.count("room_turn") == 0


def test_turns_are_forgotten(world: World, alice: Client, bob: Client):
    """Once the longest time that a room can have is over, a turn says nothing any more."""
    say(bob, "one")
    world.time_ms += 1000 * SLOW_MODE_S_MAX
    world.account("dora")
    assert world.count("room_turn") == 1
    world.time_ms += 1
    world.account("emil")
    assert world.count("room_turn") == 0
