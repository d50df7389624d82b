"""A poll goes with its message, its conversation and its author, in small steps (machine/polls/ending.py)."""

from __future__ import annotations

import pytest

from machine.polls import answer, ask, ask_in_chat, choose, close, pass_time, tally
from machine.rooms import ROOM, change_affiliation, enter, open_room, raise_version, refusal
from machine.rooms import say as speak
from machine.world import Client, World
from raftline.base.ids import Position
from raftline.machine.commands import DeleteAccount
from raftline.machine.history.commands import ArchivePolicy, Retraction, SetArchivePreferences
from raftline.machine.outcomes import Done, Rejected
from raftline.machine.polls.events import TallyPage
from raftline.machine.pruning import ROWS_PER_COMMAND, ROWS_PER_ENTRY
from raftline.machine.rooms.commands import DestroyRoom, ModerateMessage
from raftline.machine.rooms.ranks import Affiliation

TABLES = ("poll", "poll_vote", "poll_news")


@pytest.fixture
def world(world: World) -> World:
    """Three accounts, under the version that knows polls."""
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


def counts(world: World) -> list[int]:
    """Rows of each table."""
    return [world.count(name) for name in TABLES]


def settle(world: World, entries: int = 10) -> None:
    """Let some entries go by."""
    for _ in range(entries):
        pass_time(world, 0)
    assert world.count("doomed") == 0
    assert world.machine.take_faults() == []


class TestMessages:
    """Whatever becomes of the message, its poll goes along."""

    def test_taken_back_in_a_chat(self, world: World, alice: Client, bob: Client) -> None:
        """By who asked (XEP-0424); to everyone it is as if it had never been."""
        position = ask_in_chat(alice, "bob")
        choose(bob, position, 1, room="")
        alice.send("bob", "never mind", retraction=Retraction((position,), b"<retracted stamp='", b"'/>"))
        assert refusal(choose(bob, position, 2, room="")) == ("item-not-found", "cancel")
        settle(world)
        assert counts(world) == [0, 0, 0]

    def test_taken_back_in_a_room(self, world: World, alice: Client, bob: Client) -> None:
        """By its author; what another message of theirs takes back leaves it alone."""
        position = ask(bob)
        choose(alice, position, 1)
        other = speak(bob, "hello").position
        speak(bob, "never mind", retracts=other, message_id="r1")
        assert tally(bob, position).counts == (1, 0, 0)
        speak(bob, "never mind", retracts=position, message_id="r2")
        assert isinstance(answer(bob, position=position), Rejected)
        settle(world)
        assert counts(world) == [0, 0, 0]

    def test_moderated(self, world: World, alice: Client, bob: Client) -> None:
        """By a moderator (XEP-0425)."""
        position = ask(bob)
        choose(bob, position, 1)
        assert alice.do(ModerateMessage(ROOM, position, f"1-{position}", "r")).outcome == Done()
        settle(world)
        assert counts(world) == [0, 0, 0]

    def test_disappeared(self, world: World, alice: Client, bob: Client) -> None:
        """By its timer (XEP-0466), in a chat and in a room."""
        in_chat, in_room = ask_in_chat(alice, "bob", timer_s=60), ask(alice, extra={"timer_s": 60})
        choose(bob, in_chat, 1, room="")
        choose(bob, in_room, 1)
        pass_time(world, 59)
        assert [tally(bob, in_chat, room="").voter_count, tally(bob, in_room).voter_count] == [1, 1]
        pass_time(world, 1)
        assert isinstance(answer(bob, position=in_room), Rejected)
        settle(world)
        assert counts(world) == [0, 0, 0]

    def test_kept_by_nobody(self, world: World, alice: Client) -> None:
        """Neither side keeps an archive: the poll lives until the message is delivered."""
        bob = world.online("bob", managed=True)
        for client in (alice, bob):
            client.do(SetArchivePreferences(ArchivePolicy.NEVER, (), ()))
        position = ask_in_chat(alice, "bob")
        assert choose(bob, position, 1, room="").outcome == Done()
        bob.acknowledge(position)
        settle(world)
        assert counts(world) == [0, 0, 0]


class TestAccounts:
    """A deleted account takes along what it asked of others in chats, and its votes."""

    def test_its_chats(self, world: World, alice: Client, bob: Client) -> None:
        """Whoever of the two it is; other chats stay."""
        asked_by, asked_of = ask_in_chat(bob, "alice"), ask_in_chat(alice, "bob")
        stays = ask_in_chat(alice, "carol")
        for position in (asked_by, asked_of, stays):
            choose(alice, position, 1, room="")
        world.do(DeleteAccount("bob"))
        assert refusal(choose(alice, asked_of, 2, room="")) == ("item-not-found", "cancel")
        settle(world)
        assert counts(world)[:2] == [1, 1]
        assert tally(alice, stays, room="").counts == (1, 0, 0)

    def test_its_votes(self, world: World, alice: Client, bob: Client) -> None:
        """Out of the count of what is open; the count of what has ended stays, without the name."""
        still_open, ended = ask(alice), ask(bob)
        for client in (alice, bob):
            choose(client, still_open, 1)
            choose(client, ended, 2)
        close(alice, ended)
        world.do(DeleteAccount("bob"))
        settle(world)
        assert (tally(alice, still_open).counts, tally(alice, still_open).voter_count) == ((1, 0, 0), 1)
        assert (tally(alice, ended).counts, tally(alice, ended).voter_count) == ((0, 2, 0), 2)
        page = answer(alice, position=ended, names_voters=True)
        assert isinstance(page, TallyPage)
        assert [voter.jid for voter in page.voters] == [alice.jid]

    def test_the_next_of_the_name(self, world: World, alice: Client, bob: Client) -> None:
        """An account that is made anew under the name is another voter, and finds nothing of the former."""
        position, in_chat = ask(alice), ask_in_chat(alice, "bob")
        choose(bob, position, 1)
        world.do(DeleteAccount("bob"))
        world.account("bob")
        again = world.online("bob")
        enter(again, "b")
        assert tally(again, position).chosen == ()
        assert refusal(choose(again, in_chat, 1, room="")) == ("item-not-found", "cancel")
        choose(again, position, 2)
        settle(world)
        assert tally(alice, position).counts == (0, 1, 0)


class TestSteps:
    """No entry deletes more than its budget."""

    def test_a_room_that_is_destroyed(self, world: World, alice: Client, bob: Client) -> None:
        """Its polls go, and what was chosen."""
        for _ in range(3):
            choose(bob, ask(alice), 1)
        assert alice.do(DestroyRoom(ROOM)).outcome == Done()
        settle(world)
        assert counts(world) == [0, 0, 0]

    def test_many_votes(self, world: World, alice: Client) -> None:
        """A few with each entry; the poll itself is gone at once."""
        position = ask(alice)
        voter_count = 3 * ROWS_PER_ENTRY
        for number in range(voter_count):
            name = f"v{number}"
            world.account(name)
            change_affiliation(alice, name, Affiliation.MEMBER)
            assert choose(world.bind(name), position, 1).outcome == Done()
        assert tally(alice, position).voter_count == voter_count
        before = world.count("poll_vote")
        speak(alice, "never mind", retracts=position, message_id="r")
        assert world.count("poll") == 0
        while world.count("poll_vote"):
            pass_time(world, 0)
            assert before - world.count("poll_vote") <= 2 * (ROWS_PER_ENTRY + ROWS_PER_COMMAND)
            before = world.count("poll_vote")
        settle(world)
        assert isinstance(answer(alice, position=Position(position)), Rejected)
