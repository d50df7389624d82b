"""Groups that numbers lead (machine/business/groups.py): contract of the Cloud API, section 5.3."""

from __future__ import annotations

import pytest

from machine.business.groups import (
    GROUP,
    NAME,
    NUMBER,
    NUMBER_JID,
    change,
    come_in,
    create,
    delete,
    digest_of,
    events,
    group,
    link,
    make_business,
    news,
    remove,
    share,
)
from machine.rooms import change_affiliation, configure, enter, raise_version, refusal, view
from machine.world import DOMAIN, World
from raftline.base.business_limits import GROUP_SUBJECT_LENGTH_MAX
from raftline.base.limits import INVITE_LIFETIME_MAX_MS, ROOM_INVITE_USE_COUNT_MAX
from raftline.machine.business.commands import AddNumber, RemoveNumber
from raftline.machine.business.group_commands import CreateGroup, DecideInGroup, ShareGroup
from raftline.machine.business.group_queries import GroupLinkOf, GroupRequestsOf, GroupsNamed, GroupsOf
from raftline.machine.business.group_values import GroupNewsKind, GroupRequest, GroupView
from raftline.machine.business.values import Created
from raftline.machine.commands import KeyOrigin
from raftline.machine.outcomes import Done
from raftline.machine.rooms.commands import ChangeKind, ChangeOccupants, OccupantChange, RegisterInRoom
from raftline.machine.rooms.queries import RoomVcardOf
from raftline.machine.rooms.ranks import Affiliation


@pytest.fixture
def business(world: World) -> Created:
    """A business that leads the group, and is told of no event yet."""
    made = make_business(world)
    assert create(world, description="All of them").outcome == Done()
    events(world)
    return made


class TestMaking:
    """A group is made by a program."""

    def test_is_private(self, world: World) -> None:
        """It is the number's, for members alone, hidden, with addresses; nobody else comes in, nobody is inside."""
        business = make_business(world)
        assert create(world, description="All of them", join_requests=True).outcome == Done()
        found = group(world, business.business_id)
        assert found is not None
        assert (found.subject, found.description, found.join_requests) == ("Offers", "All of them", True)
        assert (found.number.localpart, found.affiliation, found.member_count) == (NUMBER, Affiliation.OWNER, 0)
        assert found.created_ms == world.time_ms
        alice = world.online("alice")
        assert refusal(enter(alice, "a", room=GROUP)) == ("registration-required", "auth")
        seen = view(alice, GROUP)
        assert seen is not None
        assert seen.settings.is_private_group
        assert seen.settings.persistent
        assert not seen.is_locked
        assert seen.occupant_count == 0

    def test_is_told(self, world: World) -> None:
        """The application is told, with the id of the request."""
        make_business(world)
        create(world)
        assert news(world) == [(GroupNewsKind.CREATED, "r1", [])]

    def test_refusals(self, world: World, business: Created) -> None:
        """A name that is taken, a number that is not there, a person's account: nothing is made."""
        assert refusal(create(world)) == ("conflict", "cancel")
        assert refusal(create(world, "other", localpart="15559999999")) == ("item-not-found", "cancel")
        assert refusal(create(world, "other", localpart="alice")) == ("item-not-found", "cancel")
        assert refusal(create(world, "other", secret=b"s" * 65)) == ("bad-request", "modify")
        assert news(world) == []

    def test_limit(self, world: World, business: Created, monkeypatch: pytest.MonkeyPatch) -> None:
        """A number owns as many rooms as anybody, and no more."""
        monkeypatch.setattr("raftline.machine.rooms.entering.ROOM_OWNED_COUNT_MAX", 2)
        assert create(world, "g2").outcome == Done()
        assert refusal(create(world, "g3")) == ("resource-constraint", "wait")

    def test_name_is_bounded(self, world: World, business: Created) -> None:
        """A subject that is too long is no command at all."""
        assert create(world, "g2", subject="x" * GROUP_SUBJECT_LENGTH_MAX).outcome == Done()
        assert refusal(create(world, "g3", subject="x" * (GROUP_SUBJECT_LENGTH_MAX + 1)))[0] == "bad-request"

    def test_once(self, world: World, business: Created) -> None:
        """Under a key it happens once, and the answer is the same."""
        action = CreateGroup(NUMBER, "g2", b"s", "Twice", "r")
        first, second = (world.do(action, KeyOrigin(b"k" * 16)).outcome for _ in range(2))
        assert first == second == Done()
        assert len(news(world)) == 1

    def test_version(self, world: World) -> None:
        """Before version 4 it is as unreadable as to an older release."""
        assert refusal(create(world))[0] == "bad-request"
        raise_version(world)
        assert refusal(create(world)) == ("item-not-found", "cancel")


class TestChanging:
    """Name, description, picture; and the end."""

    def test_what_is_named(self, world: World, business: Created) -> None:
        """What is None stays; who is inside is told that something changed."""
        share(world, "t")
        alice = world.online("alice")
        come_in(alice, "t")
        events(world)
        result = change(world, subject="Bargains")
        assert result.outcome == Done()
        assert any(alice.session_id in getattr(event, "session_ids", ()) for event in result.events)
        found = group(world, business.business_id)
        assert found is not None
        assert (found.subject, found.description) == ("Bargains", "All of them")
        assert change(world, description="").outcome == Done()
        found = group(world, business.business_id)
        assert found is not None
        assert (found.subject, found.description) == ("Bargains", "")
        assert news(world) == [(GroupNewsKind.CHANGED, "r2", [])] * 2

    def test_picture(self, world: World, business: Created) -> None:
        """It is the room's card."""
        assert change(world, card=b"<vCard xmlns='vcard-temp'/>", picture_hash="ab").outcome == Done()
        assert world.machine.answer(RoomVcardOf(GROUP)) == b"<vCard xmlns='vcard-temp'/>"
        assert refusal(change(world, card=b"x" * 131_073)) == ("not-acceptable", "modify")

    def test_no_owner(self, world: World, business: Created) -> None:
        """Who is only a member changes, deletes and removes nothing."""
        make_business(world, "15550002222", "Other")
        share(world, "t")
        other = world.bind("15550002222")
        assert come_in(other, "t").outcome == Done()
        assert refusal(change(world, localpart="15550002222", subject="Mine")) == ("forbidden", "auth")
        assert refusal(delete(world, "15550002222")) == ("forbidden", "auth")

    def test_delete(self, world: World, business: Created) -> None:
        """It is gone with its link, and the application is told."""
        share(world, "t")
        assert delete(world).outcome == Done()
        assert group(world, business.business_id) is None
        assert link(world) is None
        assert world.count("business_group_link") == 0
        assert news(world) == [(GroupNewsKind.DELETED, "r3", [])]
        assert refusal(delete(world)) == ("item-not-found", "cancel")
        assert create(world).outcome == Done(), "the name is free"
        assert link(world) is None


class TestPeople:
    """Who comes, goes, and is taken out."""

    def test_come_by_the_link(self, world: World, business: Created) -> None:
        """Who has the link is a member, and the application is told."""
        assert share(world, "t").outcome == Done()
        assert come_in(world.online("alice"), "t").outcome == Done()
        found = group(world, business.business_id)
        assert found is not None
        assert [person.localpart for person in found.members] == ["alice"]
        assert found.member_count == 1
        assert news(world) == [(GroupNewsKind.JOINED, "", ["alice"])]

    def test_leave(self, world: World, business: Created) -> None:
        """Who gives up being a member is told of without a request."""
        share(world, "t")
        alice = world.online("alice")
        come_in(alice, "t")
        events(world)
        assert alice.do(RegisterInRoom(GROUP, "")).outcome == Done()
        assert news(world) == [(GroupNewsKind.LEFT, "", ["alice"])]

    def test_remove(self, world: World, business: Created) -> None:
        """Those who are removed are told of together; who is no member is passed over."""
        share(world, "t")
        for name in ("alice", "bob"):
            come_in(world.online(name), "t")
        events(world)
        assert remove(world, "bob", "alice", "bob", "carol").outcome == Done()
        assert news(world) == [(GroupNewsKind.LEFT, "r4", ["bob", "alice"])]
        found = group(world, business.business_id)
        assert found is not None
        assert found.members == []

    def test_remove_owner(self, world: World, business: Created) -> None:
        """A group keeps an owner, so the number is not taken out of its own."""
        assert refusal(remove(world, NUMBER))[0] == "conflict"
        assert news(world) == []

    def test_removed_by_people(self, world: World, business: Created) -> None:
        """An admin among people takes somebody out: told of as well, and of the number itself to nobody."""
        share(world, "t")
        alice, bob = world.online("alice"), world.online("bob")
        for client in (alice, bob):
            come_in(client, "t")
        owner = world.bind(NUMBER)
        enter(owner, NAME, room=GROUP)
        events(world)
        for jid, value in ((f"alice@{DOMAIN}", Affiliation.OWNER), (f"bob@{DOMAIN}", Affiliation.NONE)):
            action = ChangeOccupants(GROUP, (OccupantChange(ChangeKind.AFFILIATION, jid, int(value)),))
            assert owner.do(action).outcome == Done()
        action = ChangeOccupants(GROUP, (OccupantChange(ChangeKind.AFFILIATION, NUMBER_JID, int(Affiliation.NONE)),))
        assert alice.do(action).outcome == Done()
        assert news(world) == [(GroupNewsKind.LEFT, "", ["bob"])]
        assert group(world, business.business_id) is None


class TestLinks:
    """The link can be asked for again."""

    def test_stays(self, world: World, business: Created) -> None:
        """Another token is not taken while the first one is good; it has all its uses and its time again."""
        assert link(world) is None
        share(world, "one")
        come_in(world.online("alice"), "one")
        found = link(world)
        assert found is not None
        assert (found.token, found.uses) == ("one", ROOM_INVITE_USE_COUNT_MAX - 1)
        world.time_ms += 1000
        assert share(world, "two").outcome == Done()
        found = link(world)
        assert found is not None
        assert found == ("one", ROOM_INVITE_USE_COUNT_MAX, world.time_ms + INVITE_LIFETIME_MAX_MS)
        assert refusal(come_in(world.online("bob"), "two")) == ("registration-required", "auth")

    def test_reset(self, world: World, business: Created) -> None:
        """The old link opens nothing any more."""
        share(world, "one")
        assert share(world, "two", resets=True).outcome == Done()
        found = link(world)
        assert found is not None
        assert found.token == "two"
        alice = world.online("alice")
        assert refusal(come_in(alice, "one")) == ("registration-required", "auth")
        assert come_in(alice, "two").outcome == Done()

    def test_expires(self, world: World, business: Created) -> None:
        """One that is too old is none, and is replaced."""
        share(world, "one")
        world.time_ms += INVITE_LIFETIME_MAX_MS + 1
        world.do(RemoveNumber(999, "test"))  # anything, for the time of the cluster
        assert link(world) is None
        share(world, "two")
        assert link(world) is not None

    def test_taken(self, world: World, business: Created) -> None:
        """A token that is somebody's already makes no link."""
        create(world, "g2")
        share(world, "one")
        again = ShareGroup(NUMBER, "g2", "one", digest_of("one"))
        assert refusal(world.do(again)) == ("conflict", "cancel")
        assert world.machine.answer(GroupLinkOf("g2")) is None

    def test_who_may_not(self, world: World, business: Created) -> None:
        """A number without a right to invite shares no link."""
        make_business(world, "15550002222", "Other")
        action = ShareGroup("15550002222", GROUP, "t", digest_of("t"))
        assert refusal(world.do(action)) == ("forbidden", "auth")


class TestRequests:
    """People ask to be let in."""

    def test_decide(self, world: World) -> None:
        """They are told of, listed, let in or not; once."""
        make_business(world)
        create(world, join_requests=True)
        events(world)
        clients = {name: world.online(name) for name in ("alice", "bob", "carol")}
        for name, client in clients.items():
            assert client.do(RegisterInRoom(GROUP, name)).outcome == Done()
        clients["carol"].do(RegisterInRoom(GROUP, ""))
        assert news(world) == [
            *((GroupNewsKind.REQUESTED, "", [name]) for name in ("alice", "bob", "carol")),
            (GroupNewsKind.REQUEST_OVER, "", ["carol"]),
        ]
        waiting = world.machine.answer(GroupRequestsOf(GROUP))
        assert isinstance(waiting, list)
        assert all(isinstance(one, GroupRequest) for one in waiting)
        assert [one.localpart for one in waiting] == ["alice", "bob"]
        assert world.do(DecideInGroup(NUMBER, GROUP, f"alice@{DOMAIN}", True)).outcome == Done()
        assert world.do(DecideInGroup(NUMBER, GROUP, f"bob@{DOMAIN}", False)).outcome == Done()
        assert refusal(world.do(DecideInGroup(NUMBER, GROUP, f"bob@{DOMAIN}", True))) == ("item-not-found", "cancel")
        assert news(world) == [(GroupNewsKind.JOINED, "", ["alice"])]
        assert world.machine.answer(GroupRequestsOf(GROUP)) == []
        assert enter(clients["alice"], "alice", room=GROUP).outcome == Done()


class TestSeeing:
    """Groups of a number, and of a business."""

    def test_list(self, world: World, business: Created, monkeypatch: pytest.MonkeyPatch) -> None:
        """Those of a number by name, as many as are listed; seen one by one, what is not its own passed over."""
        names = [f"h{number}" for number in range(3)]
        for name in names:
            create(world, name)
        enter(world.online("alice"), "alice", room="den")
        assert world.machine.answer(GroupsOf(NUMBER)) == [GROUP, *names]
        assert world.machine.answer(GroupsOf("alice")) == []
        found = world.machine.answer(GroupsNamed(NUMBER, ("h1", "den", "nowhere", GROUP)))
        assert isinstance(found, list)
        assert [one.room for one in found if isinstance(one, GroupView)] == ["h1", GROUP]
        assert world.machine.answer(GroupsNamed("alice", ("den",))) == []
        monkeypatch.setattr("raftline.machine.business.group_answers.GROUP_COUNT_MAX", 2)
        assert world.machine.answer(GroupsOf(NUMBER)) == [GROUP, "h0"]

    def test_through_the_best_number(self, world: World, business: Created) -> None:
        """A business sees a group through the number that ranks highest; another business does not see it."""
        added = world.do(AddNumber(business.business_id, "15550003333", "Second", "test")).outcome
        assert isinstance(added, Done)
        other = make_business(world, "15550002222", "Other")
        share(world, "t")
        come_in(world.bind("15550003333"), "t")
        found = group(world, business.business_id)
        assert found is not None
        assert found.number.localpart == NUMBER
        assert [person.localpart for person in found.members] == ["15550003333"]
        assert group(world, other.business_id) is None

    def test_people_elsewhere(self, world: World, business: Created) -> None:
        """A group that people made is the number's as soon as it is a member, and no more when it is none."""
        alice = world.online("alice")
        enter(alice, "alice", room="den")
        configure(alice, persistent=True)
        change_affiliation(alice, NUMBER, Affiliation.MEMBER)
        assert world.machine.answer(GroupsOf(NUMBER)) == ["den", GROUP]
        change_affiliation(alice, NUMBER, Affiliation.NONE)
        assert world.machine.answer(GroupsOf(NUMBER)) == [GROUP]
