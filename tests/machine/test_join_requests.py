"""Requests to join a members-only room: kept, shown to admins, answered once, gone in time (XEP-0045 7.10, 9.9)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine.rooms import (
    ADDRESS,
    ROOM,
    change_affiliation,
    configure,
    enter,
    events_for,
    leave,
    open_room,
    raise_version,
    refusal,
    seen,
)
from machine.world import Client, World, arrivals
from raftline.base.limits import (
    ACCOUNT_JOIN_REQUEST_COUNT_MAX,
    JOIN_REQUEST_AGE_MAX_MS,
    ROOM_JOIN_REQUEST_COUNT_MAX,
)
from raftline.machine.commands import CarryOutDue, ChangeBlocklist, DeleteAccount
from raftline.machine.outcomes import CommandResult, Done
from raftline.machine.queries import NextExpiry
from raftline.machine.rooms import invitations, join_requests
from raftline.machine.rooms.commands import ConfigureRoom, DecideJoinRequest, DestroyRoom, InviteToRoom, RegisterInRoom
from raftline.machine.rooms.events import JoinRequested
from raftline.machine.rooms.queries import JoinRequestsFor
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.settings import RoomSettings
from raftline.machine.timers import due


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """A members-only room that alice owns and that takes requests; bob and carol are outside."""
    world = new_world()
    raise_version(world)
    for name in ("alice", "bob", "carol"):
        world.account(name)
    return world


@pytest.fixture
def alice(world: World) -> Client:
    client = world.online("alice")
    open_room(client, "alice", members_only=True, persistent=True, join_requests=True)
    return client


@pytest.fixture
def bob(world: World, alice: Client) -> Client:
    return world.online("bob", node_id=2)


def ask(client: Client, nick: str = "") -> CommandResult:
    return client.do(RegisterInRoom(ROOM, nick or client.localpart))


def decide(client: Client, who: Client, *, allows: bool = True) -> CommandResult:
    return client.do(DecideJoinRequest(ROOM, who.jid, allows))


def waiting(world: World) -> list[tuple[str, str]]:
    found = world.machine.answer(JoinRequestsFor(ROOM))
    assert isinstance(found, list)
    return [(request.jid.partition("@")[0], request.nick) for request in found]


def shown(result: CommandResult, client: Client) -> list[tuple[str, str]]:
    return [(event.jid, event.nick) for event in events_for(result, client, JoinRequested)]


def mail(result: CommandResult, client: Client) -> str:
    [arrived] = arrivals(result, client)
    return arrived.stanza.decode()


class TestAsking:
    """Section 7.10 where admins decide."""

    def test_a_request_waits(self, world: World, alice: Client, bob: Client):
        """Who asks is no member yet; admins who are inside are shown it, others are not."""
        change_affiliation(alice, "carol", Affiliation.MEMBER)
        carol = world.online("carol")
        enter(carol, "carol")
        result = ask(bob, "bobby")
        assert result.outcome == Done()
        assert shown(result, alice) == [(bob.jid, "bobby")]
        assert shown(result, carol) == []
        assert seen(bob).affiliation == Affiliation.NONE
        assert seen(bob).waits_for_admins
        assert refusal(enter(bob, "bobby")) == ("registration-required", "auth")
        assert waiting(world) == [("bob", "bobby")]

    def test_where_no_requests_are_taken(self, alice: Client, bob: Client):
        """By default members are made by admins; an open room takes members without a question."""
        configure(alice, members_only=True, persistent=True)
        assert refusal(ask(bob)) == ("not-allowed", "cancel")
        configure(alice, persistent=True, join_requests=True)
        assert ask(bob).outcome == Done()
        assert seen(bob).affiliation == Affiliation.MEMBER

    def test_again(self, world: World, alice: Client, bob: Client):
        """Who asks again has one request, under the last nickname, from the first moment, and disturbs nobody."""
        ask(bob)
        asked_ms = world.time_ms
        world.time_ms += 1_000
        assert shown(ask(bob, "bobby"), alice) == []
        [request] = world.machine.answer(JoinRequestsFor(ROOM))  # type: ignore[misc]  # a list
        assert (request.nick, request.asked_ms) == ("bobby", asked_ms)  # type: ignore[union-attr]  # a JoinRequestView

    def test_refused(self, world: World, alice: Client, bob: Client):
        """A nickname that is taken, somebody who is banned, who has blocked the room, a room that is not there."""
        assert refusal(ask(bob, "alice")) == ("conflict", "cancel")
        assert refusal(bob.do(RegisterInRoom("nowhere", "b"))) == ("item-not-found", "cancel")
        bob.do(ChangeBlocklist(blocked=True, addresses=(ADDRESS,)))
        assert refusal(ask(bob)) == ("not-acceptable", "cancel")
        change_affiliation(alice, "carol", Affiliation.OUTCAST)
        assert refusal(ask(world.online("carol"))) == ("forbidden", "auth")
        assert waiting(world) == []

    def test_taken_back(self, world: World, bob: Client):
        """To give the registration up takes the request back; then there is nothing to give up."""
        ask(bob)
        assert bob.do(RegisterInRoom(ROOM, "")).outcome == Done()
        assert waiting(world) == []
        assert refusal(bob.do(RegisterInRoom(ROOM, ""))) == ("item-not-found", "cancel")

    def test_so_many_of_a_room(self, world: World, alice: Client, bob: Client, monkeypatch: pytest.MonkeyPatch):
        """Beyond the limit it is resource-constraint, until one is answered."""
        assert ROOM_JOIN_REQUEST_COUNT_MAX > 1
        monkeypatch.setattr(join_requests, "ROOM_JOIN_REQUEST_COUNT_MAX", 1)
        carol = world.online("carol")
        assert ask(bob).outcome == Done()
        assert refusal(ask(carol)) == ("resource-constraint", "wait")
        assert ask(bob, "bobby").outcome == Done()
        decide(alice, bob, allows=False)
        assert ask(carol).outcome == Done()

    def test_so_many_of_an_account(self, world: World, alice: Client, bob: Client):
        """One account waits at so many doors."""
        settings = RoomSettings(members_only=True, persistent=True, join_requests=True)
        for number in range(ACCOUNT_JOIN_REQUEST_COUNT_MAX + 1):
            enter(alice, "alice", room=f"room{number}")
            alice.do(ConfigureRoom(f"room{number}", settings))
        outcomes = [
            bob.do(RegisterInRoom(f"room{number}", "bob")).outcome
            for number in range(ACCOUNT_JOIN_REQUEST_COUNT_MAX + 1)
        ]
        assert outcomes[:-1] == [Done()] * ACCOUNT_JOIN_REQUEST_COUNT_MAX
        assert outcomes[-1] != Done()


class TestDeciding:
    """Section 9.9."""

    def test_yes(self, world: World, alice: Client, bob: Client):
        """A member with the nickname, invited by the room; nothing is left to decide."""
        configure(alice, members_only=True, persistent=True, join_requests=True, password="sesame")
        ask(bob, "bobby")
        stanza = mail(decide(alice, bob), bob)
        assert "decision='approved'" in stanza
        assert f"<invite from='{ADDRESS}'/>" in stanza
        assert "<password>sesame</password>" in stanza
        assert (seen(bob).affiliation, seen(bob).kept_nick) == (Affiliation.MEMBER, "bobby")
        assert not seen(bob).waits_for_admins
        assert refusal(decide(alice, bob, allows=False)) == ("item-not-found", "cancel")
        assert enter(bob, "bobby", password="sesame").outcome == Done()

    def test_no(self, world: World, alice: Client, bob: Client):
        """Told so, and no member; who asks once more is shown once more."""
        ask(bob)
        stanza = mail(decide(alice, bob, allows=False), bob)
        assert "decision='declined'" in stanza
        assert "<invite" not in stanza
        assert seen(bob).affiliation == Affiliation.NONE
        assert refusal(decide(alice, bob)) == ("item-not-found", "cancel")
        assert shown(ask(bob), alice) == [(bob.jid, "bob")]

    def test_by_admins_alone(self, world: World, alice: Client, bob: Client):
        """Members do not decide, nor does who asks."""
        change_affiliation(alice, "carol", Affiliation.MEMBER)
        ask(bob)
        for client in (world.online("carol"), bob):
            assert refusal(decide(client, bob)) == ("forbidden", "auth")
        assert refusal(alice.do(DecideJoinRequest("nowhere", bob.jid, True))) == ("item-not-found", "cancel")
        change_affiliation(alice, "carol", Affiliation.ADMIN)
        assert decide(world.online("carol"), bob).outcome == Done()

    def test_without_a_place(self, alice: Client, bob: Client, monkeypatch: pytest.MonkeyPatch):
        """The request waits on where the list is full."""
        ask(bob)
        monkeypatch.setattr(invitations, "ROOM_AFFILIATION_COUNT_MAX", 1)
        assert refusal(decide(alice, bob)) == ("resource-constraint", "wait")
        assert seen(bob).waits_for_admins

    def test_a_nickname_that_was_taken_meanwhile(self, world: World, alice: Client, bob: Client):
        """Then none is kept, and the member chooses on entering."""
        ask(bob, "bobby")
        change_affiliation(alice, "carol", Affiliation.MEMBER, nick="bobby")
        assert decide(alice, bob).outcome == Done()
        assert (seen(bob).affiliation, seen(bob).kept_nick) == (Affiliation.MEMBER, "")

    @pytest.mark.parametrize("affiliation", [Affiliation.MEMBER, Affiliation.ADMIN, Affiliation.OUTCAST])
    def test_answered_by_an_affiliation(self, world: World, alice: Client, bob: Client, affiliation: Affiliation):
        """Who is made a member otherwise, or banned, asks no more."""
        ask(bob)
        change_affiliation(alice, "bob", affiliation)
        assert waiting(world) == []

    def test_answered_by_an_invitation(self, world: World, alice: Client, bob: Client):
        """An invitation through the room makes a member as well."""
        ask(bob)
        assert alice.do(InviteToRoom(ROOM, "bob")).outcome == Done()
        assert waiting(world) == []

    def test_who_enters_later(self, world: World, alice: Client, bob: Client):
        """An admin who was away is shown what waits, in its order; members are not."""
        leave(alice)
        ask(bob)
        world.time_ms += 1
        ask(world.online("carol"), "carla")
        assert shown(enter(alice, "alice"), alice) == [
            (bob.jid, "bob"),
            (f"carol@{bob.jid.partition('@')[2]}", "carla"),
        ]
        change_affiliation(alice, "bob", Affiliation.MEMBER)
        assert shown(enter(bob, "bob"), bob) == []


class TestEnding:
    """What nobody answers, or nobody asks any more."""

    def test_in_time(self, world: World, alice: Client, bob: Client):
        """At its time in the log it is gone, wherever the command to carry it out comes from."""
        ask(bob)
        due_ms = world.time_ms + JOIN_REQUEST_AGE_MAX_MS
        assert world.machine.answer(NextExpiry()) == due_ms
        world.time_ms = due_ms - 1
        world.do(CarryOutDue())
        assert waiting(world) == [("bob", "bob")]
        world.time_ms = due_ms
        assert waiting(world) == [("bob", "bob")]  # by the time of the last entry
        assert refusal(decide(alice, bob)) == ("item-not-found", "cancel")
        world.do(CarryOutDue())
        assert world.count("join_request") == 0
        assert shown(ask(bob), alice) == [(bob.jid, "bob")]

    def test_one_that_is_over_is_asked_anew(self, world: World, alice: Client, bob: Client):
        """Whoever asks after the time, and before anybody noticed, asks anew."""
        ask(bob)
        world.time_ms += JOIN_REQUEST_AGE_MAX_MS
        assert shown(ask(bob), alice) == [(bob.jid, "bob")]
        assert decide(alice, bob).outcome == Done()

    def test_in_bounded_steps(self, world: World, alice: Client, bob: Client, monkeypatch: pytest.MonkeyPatch):
        """One command carries out so many, the next the rest."""
        ask(bob)
        ask(world.online("carol"))
        steps = [kind for kind in due.KINDS if kind.table(world.machine._context).definition.name == "join_request"]
        monkeypatch.setattr(due, "KINDS", tuple(kind._replace(count_max=1) for kind in steps))
        world.time_ms += JOIN_REQUEST_AGE_MAX_MS
        world.do(CarryOutDue())
        assert world.count("join_request") == 1
        world.do(CarryOutDue())
        assert world.count("join_request") == 0

    def test_with_the_account(self, world: World, bob: Client):
        """A later account of the name has not asked."""
        ask(bob)
        world.do(DeleteAccount("bob"))
        assert waiting(world) == []

    def test_with_the_room(self, world: World, alice: Client, bob: Client):
        """What a destroyed room leaves is deleted in steps."""
        ask(bob)
        alice.do(DestroyRoom(ROOM))
        alice.end()
        for _ in range(3):
            world.do(DeleteAccount("nobody"))
        assert world.count("join_request") == 0
