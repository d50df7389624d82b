"""Block lists in rooms: whose list keeps two occupants apart, and who leaves (machine/rooms/blocks.py)."""

from __future__ import annotations

import pytest

from machine.rooms import (
    ADDRESS,
    ROOM,
    enter,
    heard,
    manage,
    nicks,
    open_room,
    pages,
    raise_version,
    refusal,
    say,
    view,
)
from machine.world import DOMAIN, Client, World, arrivals
from raftline.machine.commands import ChangeBlocklist, DetachSession
from raftline.machine.outcomes import CommandResult, Done
from raftline.machine.rooms.commands import WhisperInRoom
from raftline.machine.rooms.queries import BlockInRoom
from raftline.machine.rooms.views import RoomBlock

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"


def block(client: Client, *addresses: str) -> CommandResult:
    result = client.do(ChangeBlocklist(True, addresses))
    assert result.outcome == Done()
    return result


def whisper(client: Client, nick: str) -> CommandResult:
    return client.do(WhisperInRoom(ROOM, nick, b"<message type='chat'><body>psst</body></message>"))


def people(world: World, *, non_anonymous: bool) -> tuple[Client, Client]:
    """Alice in her room as `owner`, and Bob as `b`."""
    raise_version(world)
    alice, bob = world.online("alice"), world.online("bob", node_id=2)
    open_room(alice, non_anonymous=non_anonymous)
    enter(bob, "b")
    return alice, bob


class TestBetweenOccupants:
    """By two addresses, in both directions."""

    @pytest.mark.parametrize(
        ("address", "non_anonymous", "inbound", "outbound"),
        [
            (f"{ADDRESS}/b", True, RoomBlock.RECIPIENT, RoomBlock.SENDER),
            (f"{ADDRESS}/b", False, RoomBlock.RECIPIENT, RoomBlock.SENDER),
            (f"{ADDRESS}/c", False, RoomBlock.NOBODY, RoomBlock.NOBODY),
            (BOB, True, RoomBlock.RECIPIENT, RoomBlock.SENDER),
            (BOB, False, RoomBlock.UNSEEN, RoomBlock.NOBODY),
            (f"{BOB}/r", True, RoomBlock.RECIPIENT, RoomBlock.SENDER),
            (f"{BOB}/other", True, RoomBlock.NOBODY, RoomBlock.NOBODY),
            (ALICE, True, RoomBlock.NOBODY, RoomBlock.NOBODY),
        ],
    )
    def test_whose_list_it_is(
        self, world: World, address: str, *, non_anonymous: bool, inbound: RoomBlock, outbound: RoomBlock
    ) -> None:
        """Alice has an address on her list: what Bob sends her, and what she sends him."""
        alice, bob = people(world, non_anonymous=non_anonymous)
        block(alice, address)
        answer = world.machine.answer
        assert answer(BlockInRoom(ROOM, "owner", bob.session_id)) is inbound
        assert answer(BlockInRoom(ROOM, "b", alice.session_id)) is outbound
        result = whisper(bob, "owner")
        assert len(arrivals(result, alice)) == (inbound is RoomBlock.NOBODY)
        assert (result.outcome == Done()) is (inbound is not RoomBlock.RECIPIENT)
        result = whisper(alice, "b")
        assert len(arrivals(result, bob)) == (outbound is RoomBlock.NOBODY)
        if outbound is RoomBlock.SENDER:
            assert refusal(result) == ("not-acceptable", "cancel")

    def test_nobody_is_there(self, world: World) -> None:
        """No room, no occupant, and somebody outside are kept apart from nobody."""
        alice, bob = people(world, non_anonymous=True)
        carol = world.online("carol")
        block(alice, BOB)
        for query in (
            BlockInRoom("nowhere", "b", alice.session_id),
            BlockInRoom(ROOM, "nobody", bob.session_id),
            BlockInRoom(ROOM, "owner", carol.session_id),
        ):
            assert world.machine.answer(query) is RoomBlock.NOBODY


class TestLeaving:
    """Who blocks a room is in it no more."""

    @pytest.mark.parametrize("address", [ADDRESS, f"conference.{DOMAIN}", DOMAIN])
    def test_all_sessions_leave(self, world: World, address: str) -> None:
        """By whatever form; the others see it, and hear on; who left hears nothing."""
        alice, bob = people(world, non_anonymous=False)
        desk = world.online("bob", "desk")
        enter(desk, "b")
        result = block(desk, address)
        assert nicks(result, alice) == [("b", False)]
        assert (nicks(result, bob)[-1], nicks(result, desk)[-1]) == (("b", False), ("b", False))
        result = say(alice, "hi")
        assert (heard(result, alice), heard(result, bob), heard(result, desk)) == (["hi"], [], [])
        assert refusal(enter(bob, "b")) == ("not-acceptable", "cancel")

    def test_a_session_that_waits_to_be_resumed(self, world: World) -> None:
        """It leaves as well, by another device's block: it is owed what was said before, and nothing after."""
        alice, bob = people(world, non_anonymous=False)
        manage(bob)
        desk = world.online("bob", "desk")
        say(alice, "before")
        world.do(DetachSession(bob.session_id, bob.epoch))
        block(desk, ADDRESS)
        say(alice, "after")
        texts = [event.stanza for event in pages(bob)]  # type: ignore[union-attr]
        assert (any(b"before" in text for text in texts), any(b"after" in text for text in texts)) == (True, False)

    def test_the_last_one_leaves(self, world: World) -> None:
        """A room that is not persistent goes with them."""
        raise_version(world)
        alice = world.online("alice")
        open_room(alice)
        block(alice, ADDRESS)
        assert view(alice) is None

    def test_other_rooms_stay(self, world: World) -> None:
        """An occupant's address, a room of another name, and what was blocked before make nobody leave."""
        alice, bob = people(world, non_anonymous=False)
        result = block(bob, f"{ADDRESS}/owner", f"other@conference.{DOMAIN}", ALICE)
        assert nicks(result, alice) == []
        assert heard(say(alice, "hi"), bob) == ["hi"]
