"""Versions of a room's lists: what is told of changes, to whom, and when the lists are told as a whole (XEP-0463)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine.rooms import ROOM, change_affiliation, configure, enter, events_for, leave, open_room, raise_version, shown
from machine.rooms import manage as manage_session
from machine.world import DOMAIN, Client, World
from raftline.base.ids import NodeId
from raftline.base.limits import ROOM_CHANGE_MEMORY_COUNT_MAX
from raftline.machine.commands import DeleteAccount, DetachSession, ResumeSession
from raftline.machine.outcomes import CommandResult, Done
from raftline.machine.queries import Picture, PictureOf
from raftline.machine.rooms import list_versions
from raftline.machine.rooms.commands import ChangeKind, ChangeOccupants, DestroyRoom, OccupantChange
from raftline.machine.rooms.events import AffiliationChanged, AffiliationsListed, AffiliationsRefused, OccupantShown
from raftline.machine.rooms.ranks import Affiliation, Role

OUTCAST, NONE, MEMBER, ADMIN, OWNER = Affiliation


class People:
    """Alice owns the room; bob and carol are there to be put on its lists."""

    def __init__(self, world: World, **settings: bool) -> None:
        raise_version(world)
        self.world = world
        self.alice = world.online("alice")
        open_room(self.alice, **settings)
        self.bob = world.online("bob")

    def ask(self, client: Client, since: str = "", nick: str = "") -> CommandResult:
        """Enter and ask what is on the lists."""
        result = enter(client, nick or client.localpart, list_since=since)
        assert result.outcome == Done()
        return result

    def version(self) -> str:
        """The version as the owner is told it, who enters again for that."""
        [own] = [event for event in shown(enter(self.alice, "owner"), self.alice) if event.list_until]
        return own.list_until


@pytest.fixture
def people(world: World) -> People:
    return People(world, non_anonymous=True)


def lists(result: CommandResult, client: Client) -> AffiliationsListed:
    [event] = events_for(result, client, AffiliationsListed)
    return event


def named(event: AffiliationsListed) -> dict[str, int]:
    return {jid.partition("@")[0]: affiliation for jid, affiliation in event.items}


class TestEntering:
    """Section 5.2.1: what a newcomer is told."""

    def test_whole_lists(self, people: People):
        """Who asks without a version is told all, before any presence, and which version that is."""
        change_affiliation(people.alice, "carol", MEMBER)
        result = people.ask(people.bob)
        told = lists(result, people.bob)
        assert (named(told), told.list_since) == ({"alice": OWNER, "carol": MEMBER}, "")
        kinds = [type(event) for event in result.events if people.bob.session_id in getattr(event, "session_ids", ())]
        assert kinds.index(AffiliationsListed) < kinds.index(OccupantShown)
        [own] = [event for event in shown(result, people.bob) if event.nick == "bob"]
        assert (own.list_since, own.list_until) == ("", told.list_until)

    def test_who_does_not_ask(self, people: People):
        """Nobody else is told lists; the version stands in everyone's own presence."""
        result = enter(people.bob, "bob")
        assert events_for(result, people.bob, AffiliationsListed) == []
        assert [event.nick for event in shown(result, people.bob) if event.list_until] == ["bob"]
        assert not any(event.list_until for event in shown(result, people.alice))

    def test_changes_since(self, people: People):
        """Each name that changed since, once, as it is now; nothing of the others."""
        change_affiliation(people.alice, "carol", MEMBER)
        since = people.version()
        change_affiliation(people.alice, "bob", MEMBER)
        change_affiliation(people.alice, "bob", ADMIN)
        change_affiliation(people.alice, "carol", NONE)
        told = lists(people.ask(people.bob, since), people.bob)
        assert (named(told), told.list_since, told.list_until) == (
            {"bob": ADMIN, "carol": NONE},
            since,
            people.version(),
        )

    def test_there_and_back(self, people: People):
        """What changed and changed back is told: no answer is empty."""
        since = people.version()
        change_affiliation(people.alice, "carol", MEMBER)
        change_affiliation(people.alice, "carol", NONE)
        assert named(lists(people.ask(people.bob, since), people.bob)) == {"carol": NONE}

    def test_the_current_version(self, people: People):
        """Who has it is told nothing beside it."""
        result = people.ask(people.bob, people.version())
        assert events_for(result, people.bob, AffiliationsListed) == []
        assert events_for(result, people.bob, AffiliationsRefused) == []

    @pytest.mark.parametrize("since", ["nonsense", "1-", "-1", "2-0011223344556677", "9" * 60, "٢-00"])
    def test_what_the_room_never_told(self, people: People, since: str):
        """Whole lists, and no word of that version."""
        change_affiliation(people.alice, "carol", MEMBER)
        told = lists(people.ask(people.bob, since), people.bob)
        assert (told.list_since, named(told)) == ("", {"alice": OWNER, "carol": MEMBER})

    def test_a_version_of_another_room(self, people: People):
        """Versions are of one room, and not even of a later one of the name."""
        since = people.version()
        change_affiliation(people.alice, "carol", MEMBER)
        people.alice.do(DestroyRoom(ROOM))
        open_room(people.alice, non_anonymous=True)
        change_affiliation(people.alice, "carol", MEMBER)
        assert lists(people.ask(people.bob, since), people.bob).list_since == ""

    def test_without_any_affiliation(self, people: People):
        """Lists may be empty; that is told as well."""
        enter(people.bob, "bob")
        people.world.do(DeleteAccount("alice"))
        told = lists(people.ask(people.bob), people.bob)
        assert (told.items, told.list_since, bool(told.list_until)) == ((), "", True)

    def test_memory_has_an_end(self, people: People, monkeypatch: pytest.MonkeyPatch):
        """The oldest version that is remembered is as many changes ago as there are kept, and one more is unknown."""
        assert ROOM_CHANGE_MEMORY_COUNT_MAX > 3
        monkeypatch.setattr(list_versions, "ROOM_CHANGE_MEMORY_COUNT_MAX", 3)
        versions = [people.version()]
        for affiliation in (MEMBER, NONE, MEMBER, NONE, ADMIN):
            change_affiliation(people.alice, "carol", affiliation)
            versions.append(people.version())
        assert people.world.count("room_list_change") == 3
        told = [lists(people.ask(people.bob, since), people.bob).list_since for since in versions[:-1]]
        assert told == ["", "", *versions[2:-1]]

    def test_a_session_that_is_resumed(self, people: People):
        """Its own presence tells the version, so that it sees whether it missed something."""
        people.ask(people.bob)
        manage_session(people.bob)
        people.world.do(DetachSession(people.bob.session_id, people.bob.epoch))
        change_affiliation(people.alice, "carol", MEMBER)
        until = people.version()
        people.world.do(ResumeSession("bob", people.bob.session_id, b"t" * 16, NodeId(1), 1))
        picture = people.world.machine.answer(PictureOf(people.bob.session_id))
        assert isinstance(picture, Picture)
        assert [event.list_until for event in picture.events if isinstance(event, OccupantShown)] == ["", until]


class TestChanges:
    """Section 5.2.2: changes while one is inside."""

    def test_of_somebody_inside(self, people: People):
        """All are told by presence from which version to which; a chain without a gap."""
        enter(people.bob, "bob")
        before = people.version()
        first = change_affiliation(people.alice, "bob", MEMBER)
        second = change_affiliation(people.alice, "bob", ADMIN)
        for client in (people.alice, people.bob):
            [one] = shown(first, client)
            [two] = shown(second, client)
            assert (one.list_since, one.list_until, two.list_since) == (before, two.list_since, one.list_until)
            assert two.list_until == people.version()

    def test_of_somebody_outside(self, people: People):
        """By a message, to whoever sees addresses."""
        enter(people.bob, "bob")
        before = people.version()
        result = change_affiliation(people.alice, "carol", MEMBER)
        [told] = events_for(result, people.bob, AffiliationChanged)
        assert (told.list_since, told.list_until) == (before, people.version())

    def test_who_is_banned(self, people: People):
        """The farewell tells versions too."""
        enter(people.bob, "bob")
        result = change_affiliation(people.alice, "bob", OUTCAST)
        [farewell] = shown(result, people.alice)
        assert not farewell.is_available
        assert farewell.list_until == people.version()

    def test_several_at_once(self, people: People):
        """Each change has a version of its own."""
        enter(people.bob, "bob")
        changes = tuple(
            OccupantChange(ChangeKind.AFFILIATION, f"{name}@{DOMAIN}", int(MEMBER)) for name in ("carol", "dora")
        )
        told = events_for(people.alice.do(ChangeOccupants(ROOM, changes)), people.bob, AffiliationChanged)
        assert told[0].list_until == told[1].list_since != told[1].list_until

    def test_what_changes_nothing(self, people: People):
        """Another nickname or reason for the same affiliation makes no version, nor does a role."""
        change_affiliation(people.alice, "carol", MEMBER)
        before = people.version()
        change_affiliation(people.alice, "carol", MEMBER, reason="again", nick="c")
        assert people.version() == before

    def test_an_account_that_is_deleted(self, people: People):
        """It leaves the lists by a change like any other; one that was on none by none."""
        change_affiliation(people.alice, "carol", MEMBER)
        enter(people.bob, "bob")
        before = people.version()
        result = people.world.do(DeleteAccount("carol"))
        [told] = events_for(result, people.bob, AffiliationChanged)
        assert (told.affiliation, told.list_since, told.list_until) == (NONE, before, people.version())

    def test_nothing_is_left_of_a_room(self, people: People):
        """With the room go its changes, in steps."""
        change_affiliation(people.alice, "carol", MEMBER)
        people.alice.do(DestroyRoom(ROOM))
        for _ in range(3):
            people.world.apply_empty()
            people.alice.present()
        assert people.world.count("room_list_change") == 0
        assert people.world.count("room_affiliation") == 0


class TestAccess:
    """Section 5.2.3 and 6: who may not."""

    @pytest.fixture
    def make(self, world: World) -> Callable[..., People]:
        return lambda **settings: People(world, **settings)

    def test_where_addresses_are_hidden(self, make: Callable[..., People]):
        """In a semi-anonymous room participants are refused, and enter all the same; admins are told."""
        people = make()
        change_affiliation(people.alice, "carol", MEMBER)
        result = people.ask(people.bob)
        assert len(events_for(result, people.bob, AffiliationsRefused)) == 1
        assert events_for(result, people.bob, AffiliationsListed) == []
        assert [event.list_until for event in shown(result, people.bob) if event.nick == "bob"] == [people.version()]
        leave(people.bob)
        change_affiliation(people.alice, "bob", ADMIN)
        assert named(lists(people.ask(people.bob), people.bob)) == {"alice": OWNER, "bob": ADMIN, "carol": MEMBER}

    def test_roles_that_may_not_read(self, make: Callable[..., People]):
        """The room's own setting counts here as for requests."""
        people = make(non_anonymous=True, list_roles=1 << Role.MODERATOR)
        assert len(events_for(people.ask(people.bob), people.bob, AffiliationsRefused)) == 1

    def test_who_is_banned_is_for_admins(self, people: People):
        """Others are told of an outcast as of somebody without affiliation, or not at all."""
        change_affiliation(people.alice, "carol", MEMBER)
        since = people.version()
        change_affiliation(people.alice, "carol", OUTCAST)
        assert named(lists(people.ask(people.bob, since), people.bob)) == {"carol": NONE}
        assert named(lists(people.ask(people.bob), people.bob)) == {"alice": OWNER}
        leave(people.bob)
        change_affiliation(people.alice, "bob", ADMIN)
        assert named(lists(people.ask(people.bob, since), people.bob)) == {"bob": ADMIN, "carol": OUTCAST}
        assert named(lists(people.ask(people.bob), people.bob)) == {"alice": OWNER, "bob": ADMIN, "carol": OUTCAST}

    def test_a_time_when_one_was_no_member(self, make: Callable[..., People]):
        """In a members-only room nobody is told what happened before they belonged to it; whole lists they are."""
        people = make(non_anonymous=True, members_only=True)
        change_affiliation(people.alice, "carol", MEMBER)
        before = people.version()
        change_affiliation(people.alice, "carol", NONE)
        change_affiliation(people.alice, "bob", MEMBER)
        since = people.version()
        change_affiliation(people.alice, "bob", ADMIN)
        assert len(events_for(people.ask(people.bob, before), people.bob, AffiliationsRefused)) == 1
        assert named(lists(people.ask(people.bob, since), people.bob)) == {"bob": ADMIN}
        assert named(lists(people.ask(people.bob), people.bob)) == {"alice": OWNER, "bob": ADMIN}

    def test_a_time_when_one_was_banned(self, people: People):
        """Nor, in any room, what happened while they were banned."""
        change_affiliation(people.alice, "bob", OUTCAST)
        before = people.version()
        change_affiliation(people.alice, "bob", NONE)
        assert len(events_for(people.ask(people.bob, before), people.bob, AffiliationsRefused)) == 1

    def test_settings_do_not_reset_versions(self, people: People):
        """A room that is configured anew keeps counting."""
        before = people.version()
        configure(people.alice, non_anonymous=True, title="Den")
        assert people.version() == before
