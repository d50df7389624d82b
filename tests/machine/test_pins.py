"""Pinned messages in the state machine (machine/pins)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine.polls import pass_time
from machine.rooms import ROOM, change_affiliation, change_role, enter, events_for, open_room, raise_version, refusal
from machine.rooms import say as speak
from machine.world import Client, World
from raftline.base.ids import Position
from raftline.base.limits import PIN_COUNT_MAX
from raftline.machine.commands import ChangeBlocklist, DeleteAccount
from raftline.machine.history.commands import ArchivePolicy, Retraction, SetArchivePreferences
from raftline.machine.message_commands import SendEphemeral
from raftline.machine.outcomes import CommandResult, Done, Rejected
from raftline.machine.pins.commands import PinMessage
from raftline.machine.pins.events import PinTold, PinView
from raftline.machine.pins.queries import PinsOf
from raftline.machine.rooms.commands import DestroyRoom, ModerateMessage
from raftline.machine.rooms.ranks import Affiliation, Role


@pytest.fixture
def world(world: World) -> World:
    """Three accounts, under the version that knows pins."""
    raise_version(world)
    return world


@pytest.fixture
def alice(world: World) -> Client:
    """Alice, who owns the room and is in it."""
    client = world.online("alice")
    open_room(client)
    return client


@pytest.fixture
def bob(world: World, alice: Client) -> Client:
    """Bob, who is in the room."""
    client = world.online("bob")
    enter(client, "b")
    return client


def pin(client: Client, position: Position, *, partner: str = "", is_pinned: bool = True) -> CommandResult:
    """Pin a message of the room, or of a chat with somebody, or take the pin away."""
    return client.do(PinMessage("" if partner else ROOM, partner, position, is_pinned))


def pins(client: Client, *, partner: str = "") -> list[Position] | Rejected:
    """Which messages are pinned."""
    found = client.world.machine.answer(PinsOf(client.session_id, "" if partner else ROOM, partner))
    if isinstance(found, Rejected):
        return found
    assert all(isinstance(view, PinView) for view in found)
    return [view.position for view in found]


def told(result: CommandResult, client: Client) -> list[tuple[str, Position, bool]]:
    """What a session is told of pins by a command."""
    return [(event.address, event.position, event.is_pinned) for event in events_for(result, client, PinTold)]


class TestRooms:
    """Moderators pin, everyone who takes part sees."""

    def test_who_pins(self, alice: Client, bob: Client) -> None:
        """Whoever has the role, or is an admin or owner; nobody else."""
        position = speak(bob, "hello").position
        assert refusal(pin(bob, position)) == ("forbidden", "auth")
        change_role(alice, "b", Role.MODERATOR)
        result = pin(bob, position)
        address = f"{ROOM}@conference.example.org"
        assert told(result, alice) == told(result, bob) == [(address, position, True)]
        assert pins(bob) == pins(alice) == [position]

    def test_who_sees(self, world: World, alice: Client) -> None:
        """Members who are away; nobody who takes no part."""
        pin(alice, speak(alice, "hello").position)
        carol = world.bind("carol")
        found = pins(carol)
        assert isinstance(found, Rejected)
        assert found.condition == "forbidden"
        change_affiliation(alice, "carol", Affiliation.MEMBER)
        assert pins(carol) == pins(alice) != []

    def test_again(self, alice: Client) -> None:
        """A pin that is there, or away, already is none, and nobody is told."""
        first, second = speak(alice, "one").position, speak(alice, "two").position
        pin(alice, second)
        alice.world.time_ms += 1
        pin(alice, first)
        assert pins(alice) == [second, first]
        assert (pin(alice, first).outcome, pin(alice, first).events) == (Done(), [])
        assert told(pin(alice, first, is_pinned=False), alice)[0][1:] == (first, False)
        assert (pin(alice, first, is_pinned=False).outcome, pins(alice)) == (Done(), [second])

    def test_what_is_not_there(self, alice: Client, bob: Client) -> None:
        """A message of nobody's, of another room, of a chat; a room that is not there."""
        enter(alice, "a", room="other")
        elsewhere = speak(alice, "hello", room="other").position
        chat = alice.send("bob").position
        for position in (Position(1), elsewhere, chat):
            assert refusal(pin(alice, position)) == ("item-not-found", "cancel")
        assert refusal(alice.do(PinMessage("nowhere", "", chat))) == ("item-not-found", "cancel")
        assert pins(alice) == []

    def test_too_many(self, alice: Client) -> None:
        """So many and no more; a pin that is taken away makes room."""
        positions = [speak(alice, "hello").position for _ in range(PIN_COUNT_MAX + 1)]
        for position in positions[:-1]:
            assert pin(alice, position).outcome == Done()
        assert refusal(pin(alice, positions[-1])) == ("resource-constraint", "cancel")
        pin(alice, positions[0], is_pinned=False)
        assert pin(alice, positions[-1]).outcome == Done()


class TestChats:
    """Either of the two pins, and both see the same."""

    def test_both_sides(self, world: World, alice: Client, bob: Client) -> None:
        """Each is told with the other one's address."""
        position = alice.send("bob").position
        result = pin(bob, position, partner="alice")
        assert (told(result, alice), told(result, bob)) == (
            [(bob.jid, position, True)],
            [(alice.jid, position, True)],
        )
        assert pins(alice, partner="bob") == pins(bob, partner="alice") == [position]
        assert pins(alice, partner="carol") == []
        assert refusal(pin(alice, position, partner="carol")) == ("item-not-found", "cancel")
        assert refusal(pin(alice, position, partner="nobody")) == ("item-not-found", "cancel")
        pin(alice, position, partner="bob", is_pinned=False)
        assert pins(bob, partner="alice") == []

    def test_one_side_keeps_no_archive(self, alice: Client, bob: Client) -> None:
        """What the other one's archive has can be pinned by both; what none has by nobody."""
        bob.do(SetArchivePreferences(ArchivePolicy.NEVER, (), ()))
        assert pin(bob, alice.send("bob").position, partner="alice").outcome == Done()
        alice.do(SetArchivePreferences(ArchivePolicy.NEVER, (), ()))
        assert refusal(pin(alice, alice.send("bob").position, partner="bob")) == ("item-not-found", "cancel")

    def test_with_oneself(self, alice: Client) -> None:
        """A chat with oneself."""
        position = alice.send("alice").position
        assert len(pin(alice, position, partner="alice").events) == 1
        assert pins(alice, partner="alice") == [position]

    def test_blocked(self, alice: Client, bob: Client) -> None:
        """While one has blocked the other nobody pins, or sees."""
        position = alice.send("bob").position
        pin(alice, position, partner="bob")
        alice.do(ChangeBlocklist(True, (bob.jid,)))
        assert refusal(pin(alice, position, partner="bob", is_pinned=False)) == ("not-acceptable", "cancel")
        assert refusal(pin(bob, position, partner="alice", is_pinned=False)) == ("service-unavailable", "cancel")
        assert isinstance(pins(bob, partner="alice"), Rejected)


class TestEnding:
    """A pin goes with its message, its room, its chat."""

    def test_content_that_goes(self, world: World, alice: Client, bob: Client) -> None:
        """Taken back in a chat and in a room, moderated, disappeared; others stay."""
        stays = speak(alice, "stays").position
        own, moderated = speak(alice, "own").position, speak(bob, "bad").position
        chat = alice.send("bob").position
        message = alice.message("bob")
        fields = {name: getattr(message, name) for name in message.__struct_fields__}
        fleeting = alice.do(SendEphemeral(**fields, timer_s=60)).position
        for position in (stays, own, moderated):
            pin(alice, position)
        for position in (chat, fleeting):
            pin(alice, position, partner="bob")
        speak(alice, "never mind", retracts=own, message_id="r")
        alice.do(ModerateMessage(ROOM, moderated, f"1-{moderated}", "r"))
        assert pins(alice) == [stays]
        alice.send("bob", "never mind", retraction=Retraction((chat,), b"<retracted stamp='", b"'/>"))
        assert pins(alice, partner="bob") == [fleeting]
        pass_time(world, 60)
        assert pins(alice, partner="bob") == []
        assert world.machine.take_faults() == []

    @pytest.mark.parametrize(
        ("end", "count"),
        [
            (lambda alice: alice.world.do(DeleteAccount("bob")), 2),
            (lambda alice: alice.world.do(DeleteAccount("alice")), 2),
            (lambda alice: alice.do(DestroyRoom(ROOM)), 1),
        ],
    )
    def test_conversations_that_end(
        self, world: World, alice: Client, bob: Client, end: Callable[[Client], CommandResult], count: int
    ) -> None:
        """With either account of a chat, or the room; the others stay."""
        chats = [alice.send("bob").position, alice.send("carol").position, bob.send("carol").position]
        pin(alice, chats[0], partner="bob")
        pin(alice, chats[1], partner="carol")
        pin(bob, chats[2], partner="carol")
        pin(alice, speak(alice, "hello").position)
        before = world.count("pin")
        assert end(alice).outcome == Done()
        for _ in range(10):
            pass_time(world, 0)
        assert before - world.count("pin") == count
        assert world.machine.take_faults() == []
