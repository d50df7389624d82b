"""Who is in a room: entering, nicknames, leaving, and how a session's end ends it (XEP-0045 section 7)."""

from __future__ import annotations

import pytest

from machine.rooms import (
    ADDRESS,
    ROOM,
    change_affiliation,
    change_role,
    configure,
    enter,
    heard,
    leave,
    manage,
    nicks,
    open_room,
    raise_version,
    refusal,
    say,
    shown,
    view,
)
from machine.world import DOMAIN, Client, World, outcomes
from raftline.base import limits
from raftline.base.ids import NodeId
from raftline.machine.commands import CarryOutDue, ChangeBlocklist, DeleteAccount, DetachSession, ResumeSession
from raftline.machine.node_commands import BuryNode
from raftline.machine.outcomes import Done
from raftline.machine.queries import PictureOf
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms.commands import EnterRoom
from raftline.machine.rooms.events import OccupantShown
from raftline.machine.rooms.ranks import Affiliation, Role


@pytest.fixture
def people(world: World) -> tuple[Client, Client, Client]:
    """Alice, who owns an open room and is in it, Bob and Carol outside."""
    raise_version(world)
    alice, bob, carol = (world.online(name) for name in ("alice", "bob", "carol"))
    open_room(alice)
    return alice, bob, carol


class TestVersion:
    """Rooms came with version 3 of the machine."""

    def test_before_it_no_one_understands(self, world: World) -> None:
        """An older member would not, so nobody does."""
        alice = world.online("alice")
        assert refusal(enter(alice, "owner")) == ("bad-request", "cancel")
        raise_version(world)
        alice.number -= 1  # what was unreadable was no command of the session
        assert enter(alice, "owner").outcome == Done()


class TestSection72Entering:
    """7.2 Entering a room."""

    def test_the_first_makes_it_and_owns_it(self, world: World) -> None:
        """10.1.1: status 201, moderator and owner."""
        raise_version(world)
        alice = world.online("alice")
        [own] = shown(enter(alice, "owner"), alice)
        assert (own.affiliation, own.role, own.jid) == (Affiliation.OWNER, Role.MODERATOR, alice.full_jid)
        assert set(own.statuses) == {110, 170, 201}

    def test_a_new_room_is_locked(self, world: World) -> None:
        """7.2.11: nobody else enters before it is configured."""
        raise_version(world)
        alice, bob = world.online("alice"), world.online("bob")
        enter(alice, "owner")
        assert refusal(enter(bob, "b")) == ("item-not-found", "cancel")
        configure(alice)
        assert enter(bob, "b").outcome == Done()

    def test_everyone_is_shown_everyone(self, people: tuple[Client, Client, Client]) -> None:
        """7.2.2: the newcomer those who are there, itself last; those who are there the newcomer."""
        alice, bob, carol = people
        enter(bob, "b")
        result = enter(carol, "c")
        assert nicks(result, carol) == [("owner", True), ("b", True), ("c", True)]
        assert nicks(result, alice) == nicks(result, bob) == [("c", True)]
        assert shown(result, carol)[-1].statuses[-1] == 110
        assert 110 not in shown(result, bob)[0].statuses

    def test_real_addresses_are_for_moderators(self, people: tuple[Client, Client, Client]) -> None:
        """7.2.4: in a semi-anonymous room others do not see them."""
        alice, bob, carol = people
        enter(bob, "b")
        result = enter(carol, "c")
        assert shown(result, alice)[0].jid == carol.full_jid
        assert shown(result, bob)[0].jid == ""

    def test_or_for_everyone(self, people: tuple[Client, Client, Client]) -> None:
        """7.2.3: in a non-anonymous room, which says so to who enters."""
        alice, bob, carol = people
        configure(alice, non_anonymous=True)
        enter(bob, "b")
        result = enter(carol, "c")
        assert shown(result, bob)[0].jid == carol.full_jid
        assert 100 in shown(result, carol)[-1].statuses

    def test_without_saying_so_nobody_enters(self, people: tuple[Client, Client, Client]) -> None:
        """7.2.1: presence of a client that believes to be inside is not an entrance."""
        assert refusal(enter(people[1], "b", joins=False)) == ("not-acceptable", "modify")

    def test_a_password(self, people: tuple[Client, Client, Client]) -> None:
        """7.2.5."""
        alice, bob, _carol = people
        configure(alice, password="open sesame")
        assert refusal(enter(bob, "b")) == ("not-authorized", "auth")
        assert refusal(enter(bob, "b", password="wrong")) == ("not-authorized", "auth")
        assert enter(bob, "b", password="open sesame").outcome == Done()

    def test_members_only(self, people: tuple[Client, Client, Client]) -> None:
        """7.2.6."""
        alice, bob, carol = people
        configure(alice, members_only=True)
        assert refusal(enter(bob, "b")) == ("registration-required", "auth")
        change_affiliation(alice, "carol", Affiliation.MEMBER)
        assert enter(carol, "c").outcome == Done()

    def test_the_banned(self, people: tuple[Client, Client, Client]) -> None:
        """7.2.7."""
        alice, bob, _carol = people
        change_affiliation(alice, "bob", Affiliation.OUTCAST)
        assert refusal(enter(bob, "b")) == ("forbidden", "auth")

    def test_a_nickname_is_one_persons(self, people: tuple[Client, Client, Client]) -> None:
        """7.2.8: taken, or kept for somebody who is not there."""
        alice, bob, carol = people
        assert refusal(enter(bob, "owner")) == ("conflict", "cancel")
        change_affiliation(alice, "carol", Affiliation.MEMBER, nick="kept")
        assert refusal(enter(bob, "kept")) == ("conflict", "cancel")
        assert enter(carol, "kept").outcome == Done()

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_full_room(self, people: tuple[Client, Client, Client], count: int) -> None:
        """7.2.9: both sides of the limit; admins enter all the same."""
        alice, bob, carol = people
        configure(alice, occupant_count_max=count)
        if count == 1:
            assert refusal(enter(bob, "b")) == ("service-unavailable", "wait")
        else:
            assert enter(bob, "b").outcome == Done()
            assert refusal(enter(carol, "c")) == ("service-unavailable", "wait")
        change_affiliation(alice, "carol", Affiliation.ADMIN)
        assert enter(carol, "c").outcome == Done()

    @pytest.mark.parametrize(("size", "fits"), [(1023, True), (1024, False), (0, False)])
    def test_the_length_of_a_nickname(self, people: tuple[Client, Client, Client], size: int, fits: bool) -> None:
        """That of a resource."""
        result = enter(people[1], "n" * size)
        assert result.outcome == Done() if fits else refusal(result) == ("jid-malformed", "modify")

    @pytest.mark.parametrize("extra", [0, 1])
    def test_the_length_of_presence(self, people: tuple[Client, Client, Client], extra: int) -> None:
        """Both sides of what is kept of an occupant."""
        result = enter(people[1], "b", presence=b"x" * (limits.ROOM_PRESENCE_SIZE_MAX + extra))
        assert result.outcome == Done() if not extra else refusal(result) == ("policy-violation", "modify")

    def test_a_blocked_room(self, people: tuple[Client, Client, Client]) -> None:
        """XEP-0191 section 3.3: what is sent to a blocked address is refused."""
        bob = people[1]
        bob.do(ChangeBlocklist(True, (ADDRESS,)))
        assert refusal(enter(bob, "b")) == ("not-acceptable", "cancel")

    def test_how_many_rooms_one_owns(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Both sides of the limit."""
        monkeypatch.setattr("raftline.machine.rooms.entering.ROOM_OWNED_COUNT_MAX", 2)
        raise_version(world)
        alice = world.online("alice")
        results = [enter(alice, "a", room=f"room{number}") for number in range(3)]
        assert outcomes(*results) == ["Done", "Done", "Rejected"]
        assert refusal(results[-1]) == ("resource-constraint", "wait")

    def test_how_many_rooms_a_session_is_in(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Both sides of the limit; who leaves one may enter another."""
        monkeypatch.setattr("raftline.machine.rooms.deliveries.SESSION_ROOM_COUNT_MAX", 2)
        raise_version(world)
        alice = world.online("alice")
        manage(alice)
        results = [enter(alice, "a", room=f"room{number}") for number in range(3)]
        assert outcomes(*results) == ["Done", "Done", "Rejected"]
        leave(alice, "room0")
        assert enter(alice, "a", room="room2").outcome == Done()


class TestSharedNickname:
    """7.2.8, second paragraph: sessions of one account under one nickname."""

    @pytest.fixture
    def devices(self, world: World) -> tuple[Client, Client, Client]:
        """Alice in her room, Bob with phone and desk under one nickname."""
        raise_version(world)
        alice, phone, desk = world.online("alice"), world.online("bob", "phone"), world.online("bob", "desk")
        open_room(alice)
        assert outcomes(enter(phone, "b"), enter(desk, "b")) == ["Done", "Done"]
        return alice, phone, desk

    def test_others_see_one(self, devices: tuple[Client, Client, Client]) -> None:
        """The room counts people, not sessions."""
        found = view(devices[0])
        assert found is not None
        assert found.occupant_count == 2

    def test_when_one_goes_nobody_else_hears_of_it(self, devices: tuple[Client, Client, Client]) -> None:
        """The nickname is still there."""
        alice, phone, desk = devices
        result = leave(phone)
        assert nicks(result, phone) == [("b", False)]
        assert shown(result, alice) == shown(result, desk) == []
        assert nicks(leave(desk), alice) == [("b", False)]

    def test_both_hear_what_is_said(self, devices: tuple[Client, Client, Client]) -> None:
        """And what their own side says."""
        _alice, phone, desk = devices
        result = say(phone, "hi")
        assert [event.session_ids for event in result.events] == [
            (devices[0].session_id, phone.session_id, desk.session_id)
        ]

    def test_a_role_is_that_of_the_nickname(self, devices: tuple[Client, Client, Client]) -> None:
        """Without a role both are out."""
        alice, phone, desk = devices
        result = change_role(alice, "b", Role.NONE)
        assert 307 in shown(result, phone)[-1].statuses
        assert 307 in shown(result, desk)[-1].statuses
        assert nicks(result, alice) == [("b", False)]


class TestSection76And77Changing:
    """7.6 Changing nickname, 7.7 Changing availability status."""

    def test_another_nickname(self, people: tuple[Client, Client, Client]) -> None:
        """Out under the old one with the new one named, in under the new one."""
        alice, bob, _carol = people
        enter(bob, "b")
        result = enter(bob, "robert", joins=False)
        gone, here = shown(result, alice)
        assert (gone.nick, gone.is_available, gone.new_nick, gone.statuses) == ("b", False, "robert", (303,))
        assert (here.nick, here.is_available) == ("robert", True)

    def test_a_nickname_that_is_taken(self, people: tuple[Client, Client, Client]) -> None:
        """7.6: conflict, and nothing changes."""
        alice, bob, _carol = people
        enter(bob, "b")
        result = enter(bob, "owner", joins=False)
        assert refusal(result) == ("conflict", "cancel")
        assert shown(result, alice) == []

    def test_a_status(self, people: tuple[Client, Client, Client]) -> None:
        """Everyone is shown it."""
        alice, bob, _carol = people
        enter(bob, "b")
        result = enter(bob, "b", joins=False, presence=b"<show>away</show>")
        assert shown(result, alice)[0].presence == b"<show>away</show>"

    def test_a_client_that_forgot(self, people: tuple[Client, Client, Client]) -> None:
        """Who enters while inside is told all over again; others see no one leave."""
        alice, bob, _carol = people
        enter(bob, "b")
        result = enter(bob, "b")
        assert nicks(result, bob) == [("owner", True), ("b", True)]
        assert nicks(result, alice) == [("b", True)]

    def test_a_client_that_forgot_its_nickname(self, people: tuple[Client, Client, Client]) -> None:
        """It is told all over again as well, and nobody is left under the old one."""
        alice, bob, _carol = people
        enter(bob, "b")
        result = enter(bob, "bobby")
        assert nicks(result, bob)[-2:] == [("owner", True), ("bobby", True)]
        assert nicks(result, alice)[:2] == [("b", False), ("bobby", True)]
        assert heard(result, bob) == [""]
        found = view(alice)
        assert found is not None
        assert found.occupant_count == 2


class TestSection714Leaving:
    """7.14 Exiting a room."""

    def test_everyone_sees_it(self, people: tuple[Client, Client, Client]) -> None:
        """Who leaves as well."""
        alice, bob, _carol = people
        enter(bob, "b")
        result = leave(bob)
        assert nicks(result, alice) == nicks(result, bob) == [("b", False)]
        assert shown(result, bob)[0].statuses == (110,)
        assert shown(result, bob)[0].role == Role.NONE

    def test_once_is_enough(self, people: tuple[Client, Client, Client]) -> None:
        """Who is not there has left."""
        result = leave(people[1])
        assert (result.outcome, result.events) == (Done(), [])

    def test_a_temporary_room_goes_with_the_last(self, people: tuple[Client, Client, Client]) -> None:
        """Nothing of it is left, and who comes next owns a new one."""
        alice, bob, _carol = people
        say(alice, "secret")
        leave(alice)
        assert view(alice) is None
        for number in range(4):
            alice.send("bob", str(number))
        world = alice.world
        assert (world.count("room"), world.count("occupant"), world.count("doomed")) == (0, 0, 0)
        assert world.count("room_affiliation") == 0
        [own] = shown(enter(bob, "b"), bob)
        assert (own.affiliation, 201 in own.statuses) == (Affiliation.OWNER, True)

    def test_a_persistent_room_stays(self, people: tuple[Client, Client, Client]) -> None:
        """With its lists."""
        alice, bob, _carol = people
        configure(alice, persistent=True)
        leave(alice)
        found = view(bob)
        assert found is not None
        assert found.occupant_count == 0
        assert enter(bob, "b").outcome == Done()


class TestEndsOfSessions:
    """However a session ends, nobody stays behind."""

    def gone(self, result: object, alice: Client) -> list[tuple[str, bool]]:
        """What Alice is shown."""
        return nicks(result, alice)  # type: ignore[arg-type]

    def test_an_ended_session(self, people: tuple[Client, Client, Client]) -> None:
        """By itself."""
        alice, bob, _carol = people
        enter(bob, "b")
        assert nicks(bob.end(), alice) == [("b", False)]

    def test_unavailable_presence(self, people: tuple[Client, Client, Client]) -> None:
        """RFC 6121 section 4.6.3: what it says is passed on."""
        alice, bob, _carol = people
        enter(bob, "b")
        result = bob.present(None, "<status>bye</status>")
        assert nicks(result, alice) == [("b", False)]
        assert shown(result, alice)[0].presence == b"<status>bye</status>"

    def test_a_session_that_is_taken_the_resource_of(self, people: tuple[Client, Client, Client]) -> None:
        """Its successor is not in the room."""
        alice, bob, _carol = people
        enter(bob, "b")
        _client, result = alice.world.bind_observed("bob", "r")
        assert nicks(result, alice) == [("b", False)]

    def test_a_dead_node(self, world: World) -> None:
        """All its sessions that cannot be resumed leave; one that can stays."""
        raise_version(world)
        alice = world.online("alice")
        open_room(alice)
        bob, carol = world.online("bob", node_id=2), world.online("carol", node_id=2)
        manage(carol)
        enter(bob, "b")
        enter(carol, "c")
        result = world.do(BuryNode(NodeId(2), 1))
        assert nicks(result, alice) == [("b", False)]
        found = view(alice)
        assert found is not None
        assert found.occupant_count == 2

    def test_nobody_resumed_in_time(self, world: World) -> None:
        """Then it leaves as well."""
        raise_version(world)
        alice, bob = world.online("alice"), world.online("bob")
        manage(bob, timeout_s=10)
        open_room(alice)
        enter(bob, "b")
        world.do(DetachSession(bob.session_id, bob.epoch))
        world.time_ms += 10_000
        assert nicks(world.do(CarryOutDue()), alice) == [("b", False)]
        assert world.count("visit") == 1

    def test_a_deleted_account(self, people: tuple[Client, Client, Client]) -> None:
        """Its sessions leave, and a later account of the name is nobody in the room."""
        alice, bob, _carol = people
        enter(bob, "b")
        change_affiliation(alice, "bob", Affiliation.ADMIN)
        result = alice.world.do(DeleteAccount("bob"))
        assert nicks(result, alice) == [("b", False)]
        alice.world.account("bob")
        found = view(alice.world.online("bob"))
        assert found is not None
        assert found.affiliation == Affiliation.NONE


class TestResumption:
    """What a session that comes back is told of its rooms."""

    def test_who_is_there_and_who_left(self, world: World) -> None:
        """Itself last; what everyone did in between does not matter."""
        raise_version(world)
        alice, bob, carol = (world.online(name) for name in ("alice", "bob", "carol"))
        manage(bob)
        open_room(alice)
        enter(bob, "b")
        enter(carol, "c")
        world.do(DetachSession(bob.session_id, bob.epoch))
        leave(carol)
        enter(carol, "carla")
        resumed = world.do(ResumeSession("bob", bob.session_id, b"t" * 16, NodeId(3), 1))
        assert outcomes(resumed) == ["Done"]
        picture = world.machine.answer(PictureOf(bob.session_id))
        told = [event for event in picture.events if isinstance(event, OccupantShown)]  # type: ignore[union-attr]
        assert [(event.nick, event.is_available) for event in told] == [
            ("c", False),
            ("owner", True),
            ("carla", True),
            ("b", True),
        ]
        assert {event.node_id for event in told} == {3}
        assert 110 in told[-1].statuses

    def test_that_it_was_removed(self, world: World) -> None:
        """The farewell says why; nothing more is said of the room."""
        raise_version(world)
        alice, bob = world.online("alice"), world.online("bob")
        manage(bob)
        open_room(alice)
        enter(bob, "b")
        world.do(DetachSession(bob.session_id, bob.epoch))
        change_role(alice, "b", Role.NONE)
        picture = world.machine.answer(PictureOf(bob.session_id))
        [told] = [event for event in picture.events if isinstance(event, OccupantShown)]  # type: ignore[union-attr]
        assert (told.nick, told.is_available, told.statuses) == ("b", False, (307, 110))

    def test_messages_follow_it_to_another_node(self, world: World) -> None:
        """The event names the node that holds it now."""
        raise_version(world)
        alice, bob = world.online("alice"), world.online("bob")
        manage(bob)
        open_room(alice)
        enter(bob, "b")
        say(alice, "one")
        world.do(ResumeSession("bob", bob.session_id, b"t" * 16, NodeId(3), 1))
        result = say(alice, "two")
        assert [(event.node_id, event.session_ids) for event in result.events] == [  # type: ignore[union-attr]
            (1, (alice.session_id,)),
            (3, (bob.session_id,)),
        ]


def test_replicas_agree(people: tuple[Client, Client, Client], new_world: object) -> None:
    """The same log from the start, with nothing in memory in between, comes to the same rows."""
    alice, bob, carol = people
    enter(bob, "b")
    enter(bob, "robert", joins=False)
    enter(carol, "c")
    say(bob, "hi")
    change_role(alice, "c", Role.VISITOR)
    leave(bob)
    other = new_world()  # type: ignore[operator]
    for index, payload in enumerate(alice.world.log, 1):
        other.machine.apply(index, 1, payload)
        other.machine._context.drop_derived()
    assert other.machine.state_hash == alice.world.machine.state_hash
    assert other.scrub() == alice.world.scrub()


def test_settings_are_read_back() -> None:
    """What is written is what is read, and the defaults are an open room."""
    settings = room_settings.RoomSettings(title="Den", password="x")
    assert room_settings.decode(room_settings.encode(settings)) == settings
    assert EnterRoom(ROOM, "n", b"", True, b"").history_count is None
    assert f"{ROOM}@conference.{DOMAIN}" == ADDRESS


class TestCrowd:
    """A room of more than a thousand."""

    def test_entering_costs_what_is_broadcast(self, world: World) -> None:
        """1,025 are inside; of those, whoever enters is shown the moderator and itself, and nobody is shown it."""
        raise_version(world)
        alice = world.online("alice")
        open_room(alice, broadcast_roles=1 << Role.MODERATOR)
        clients = [world.bind("bob" if number % 2 else "carol", str(number)) for number in range(32)]
        for number in range(1024 - len(clients)):
            world.account(f"u{number}")
            clients.append(world.bind(f"u{number}"))
        for number, client in enumerate(clients):
            result = enter(client, f"n{number}")
            assert [event.nick for event in result.events if isinstance(event, OccupantShown)] == [
                "owner",
                f"n{number}",
            ]
        result = say(clients[-1], "hi")
        [event] = result.events
        assert len(getattr(event, "session_ids", ())) == 1025
        assert world.count("inbox") == 0
