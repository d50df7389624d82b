"""Who may do what to whom in a room, and what follows from it (XEP-0045 sections 5, 8 to 10)."""

from __future__ import annotations

import itertools

import pytest

from machine.rooms import (
    ADDRESS,
    ROOM,
    change_affiliation,
    change_role,
    configure,
    enter,
    events_for,
    leave,
    nicks,
    open_room,
    raise_version,
    refusal,
    say,
    seen,
    shown,
    view,
)
from machine.world import DOMAIN, Client, World, arrivals
from raftline.base import limits
from raftline.machine.commands import ChangeBlocklist
from raftline.machine.outcomes import CommandResult, Done
from raftline.machine.queries import ArchivePage
from raftline.machine.rooms import ranks
from raftline.machine.rooms.commands import (
    ChangeKind,
    ChangeOccupants,
    DeclineInvitation,
    DestroyRoom,
    InviteToRoom,
    ModerateMessage,
    OccupantChange,
    RegisterInRoom,
    RequestVoice,
    SetRoomVcard,
    WhisperInRoom,
)
from raftline.machine.rooms.events import RoomMessageArrived, RoomNoticed, VoiceRequested
from raftline.machine.rooms.queries import AffiliatedTo, RoomArchivePage, RoomVcardOf
from raftline.machine.rooms.ranks import Affiliation, Role
from raftline.machine.rooms.settings import ALL_ROLES, PrivateMessages

OUTCAST, NONE, MEMBER, ADMIN, OWNER = Affiliation
_, VISITOR, PARTICIPANT, MODERATOR = Role
FORBIDDEN = ("forbidden", "auth")
NOT_ALLOWED = ("not-allowed", "cancel")


@pytest.fixture
def people(world: World) -> tuple[Client, Client, Client]:
    """Alice, owner; Bob and Carol, participants: all in the room."""
    raise_version(world)
    alice, bob, carol = (world.online(name) for name in ("alice", "bob", "carol"))
    open_room(alice, persistent=True)
    enter(bob, "b")
    enter(carol, "c")
    return alice, bob, carol


class TestSection51Roles:
    """5.1 Roles and 8, 9.6, 9.7: by moderators and admins."""

    @pytest.mark.parametrize(
        ("affiliation", "moderated", "role"),
        [
            (NONE, False, PARTICIPANT),
            (NONE, True, VISITOR),
            (MEMBER, True, PARTICIPANT),
            (ADMIN, True, MODERATOR),
            (OWNER, False, MODERATOR),
        ],
    )
    def test_the_role_that_one_enters_with(self, affiliation: int, moderated: bool, role: int) -> None:
        """5.1.2 Default roles."""
        assert ranks.initial_role(affiliation, moderated=moderated) == role

    def test_a_moderator_kicks(self, people: tuple[Client, Client, Client]) -> None:
        """8.2: 307 for all, by whom and why."""
        alice, bob, carol = people
        change_role(alice, "b", MODERATOR)
        result = change_role(bob, "c", Role.NONE, reason="loud")
        [told] = shown(result, alice)
        assert (told.nick, told.is_available, told.role) == ("c", False, Role.NONE)
        assert (told.statuses, told.actor, told.reason) == ((307,), "b", "loud")
        assert shown(result, carol)[0].statuses == (307, 110)
        assert refusal(say(carol, "still here?")) == ("not-acceptable", "modify")

    @pytest.mark.parametrize("value", [Role.NONE, VISITOR, MODERATOR])
    def test_a_participant_may_not(self, people: tuple[Client, Client, Client], value: Role) -> None:
        """8.2 to 8.4, 9.6."""
        assert refusal(change_role(people[1], "c", value)) == FORBIDDEN

    @pytest.mark.parametrize(
        ("value", "expected"), [(Role.NONE, NOT_ALLOWED), (VISITOR, FORBIDDEN), (PARTICIPANT, FORBIDDEN)]
    )
    def test_nor_anyone_an_owner(
        self, people: tuple[Client, Client, Client], value: Role, expected: tuple[str, str]
    ) -> None:
        """8.2, 8.4, 9.7: who ranks higher is out of reach; an admin's moderation is not a moderator's to take."""
        alice, bob, _carol = people
        change_role(alice, "b", MODERATOR)
        assert refusal(change_role(bob, "owner", value)) == expected

    def test_voice(self, people: tuple[Client, Client, Client]) -> None:
        """8.3, 8.4: taken and given by any moderator."""
        alice, bob, carol = people
        change_role(alice, "b", MODERATOR)
        assert shown(change_role(bob, "c", VISITOR), alice)[0].role == VISITOR
        assert refusal(say(carol, "hi")) == FORBIDDEN
        assert shown(change_role(bob, "c", PARTICIPANT), carol)[0].role == PARTICIPANT
        assert say(carol, "hi").outcome == Done()

    def test_moderators_are_made_by_admins(self, people: tuple[Client, Client, Client]) -> None:
        """9.6: a moderator alone may not."""
        alice, bob, _carol = people
        change_role(alice, "b", MODERATOR)
        assert refusal(change_role(bob, "c", MODERATOR)) == FORBIDDEN
        change_affiliation(alice, "bob", ADMIN)
        assert change_role(bob, "c", MODERATOR).outcome == Done()

    def test_nobody_of_that_name(self, people: tuple[Client, Client, Client]) -> None:
        """Or gone already."""
        assert refusal(change_role(people[0], "x", Role.NONE)) == ("item-not-found", "cancel")


class TestSection52Affiliations:
    """5.2 Affiliations and 9, 10.3 to 10.8: by admins and owners."""

    @pytest.mark.parametrize(
        ("actor", "before", "after"), list(itertools.product((ADMIN, MEMBER, NONE), Affiliation, Affiliation))
    )
    def test_the_whole_table(
        self, people: tuple[Client, Client, Client], actor: int, before: Affiliation, after: Affiliation
    ) -> None:
        """An admin moves others among outcast, none and member; an owner everyone; others nobody."""
        alice, bob, _carol = people
        change_affiliation(alice, "bob", actor)
        change_affiliation(alice, "carol", before)
        result = change_affiliation(bob, "carol", after)
        if actor < ADMIN:
            assert refusal(result) == FORBIDDEN
        elif max(before, after) >= ADMIN:
            assert refusal(result) == NOT_ALLOWED
        else:
            assert result.outcome == Done()
        assert change_affiliation(alice, "carol", after).outcome == Done()

    def test_a_ban(self, people: tuple[Client, Client, Client]) -> None:
        """9.1: out with 301, and on the list with the reason."""
        alice, bob, carol = people
        result = change_affiliation(alice, "bob", OUTCAST, reason="spam")
        assert shown(result, bob)[0].statuses == (301, 110)
        assert shown(result, carol)[0].statuses == (301,)
        assert (shown(result, carol)[0].affiliation, shown(result, carol)[0].reason) == (OUTCAST, "spam")
        [entry] = alice.world.machine.answer(AffiliatedTo(ROOM, int(OUTCAST)))  # type: ignore[misc, union-attr]
        assert tuple(entry) == (bob.jid, OUTCAST, "", "spam")

    def test_oneself(self, people: tuple[Client, Client, Client]) -> None:
        """9.1: nobody bans themselves."""
        assert refusal(change_affiliation(people[0], "alice", OUTCAST)) == ("conflict", "cancel")

    def test_a_member_gets_voice(self, people: tuple[Client, Client, Client]) -> None:
        """9.3: everyone sees it."""
        alice, _bob, _carol = people
        change_role(alice, "b", VISITOR)
        told = shown(change_affiliation(alice, "bob", MEMBER), alice)[0]
        assert (told.affiliation, told.role) == (MEMBER, PARTICIPANT)

    def test_who_is_no_member_any_more(self, people: tuple[Client, Client, Client]) -> None:
        """9.4: has to leave a members-only room, with 321."""
        alice, bob, _carol = people
        change_affiliation(alice, "bob", MEMBER)
        configure(alice, members_only=True)
        result = change_affiliation(alice, "bob", NONE)
        assert shown(result, bob)[0].statuses == (321, 110)

    def test_an_admin_is_a_moderator_and_then_no_longer(self, people: tuple[Client, Client, Client]) -> None:
        """10.6, 10.7."""
        alice, bob, _carol = people
        assert shown(change_affiliation(alice, "bob", ADMIN), bob)[0].role == MODERATOR
        assert shown(change_affiliation(alice, "bob", MEMBER), bob)[0].role == PARTICIPANT

    def test_the_last_owner_stays(self, people: tuple[Client, Client, Client]) -> None:
        """10.4: a room has an owner; with another one it may change."""
        alice, _bob, _carol = people
        assert refusal(change_affiliation(alice, "alice", ADMIN)) == ("conflict", "cancel")
        change_affiliation(alice, "bob", OWNER)
        assert change_affiliation(alice, "alice", ADMIN).outcome == Done()

    def test_by_nickname(self, people: tuple[Client, Client, Client]) -> None:
        """A moderator's client may know no more."""
        alice, bob, _carol = people
        result = change_affiliation(alice, "b", MEMBER, by_nick=True)
        assert shown(result, bob)[0].affiliation == MEMBER

    def test_all_or_nothing(self, people: tuple[Client, Client, Client]) -> None:
        """One item that is refused keeps the others from happening."""
        alice, bob, carol = people
        change_affiliation(alice, "bob", ADMIN)
        changes = (
            OccupantChange(ChangeKind.AFFILIATION, carol.jid, int(MEMBER)),
            OccupantChange(ChangeKind.AFFILIATION, alice.jid, int(MEMBER)),
        )
        assert refusal(bob.do(ChangeOccupants(ROOM, changes))) == NOT_ALLOWED
        assert seen(carol).affiliation == NONE

    @pytest.mark.parametrize("extra", [0, 1])
    def test_how_many_changes(self, people: tuple[Client, Client, Client], extra: int) -> None:
        """Both sides of the limit."""
        changes = tuple(
            OccupantChange(ChangeKind.AFFILIATION, f"u{number}@{DOMAIN}", int(MEMBER))
            for number in range(limits.ROOM_CHANGE_COUNT_MAX + extra)
        )
        result = people[0].do(ChangeOccupants(ROOM, changes))
        assert result.outcome == Done() if not extra else refusal(result) == ("policy-violation", "modify")

    def test_how_many_names(self, people: tuple[Client, Client, Client], monkeypatch: pytest.MonkeyPatch) -> None:
        """Both sides of the limit; a name that goes makes room."""
        monkeypatch.setattr("raftline.machine.rooms.administration.ROOM_AFFILIATION_COUNT_MAX", 2)
        alice, _bob, _carol = people
        assert change_affiliation(alice, "bob", MEMBER).outcome == Done()
        assert refusal(change_affiliation(alice, "carol", MEMBER)) == ("resource-constraint", "wait")
        change_affiliation(alice, "bob", NONE)
        assert change_affiliation(alice, "carol", MEMBER).outcome == Done()

    def test_how_many_names_there_are_room_for(self, people: tuple[Client, Client, Client]) -> None:
        """The limit itself, which is more than a thousand members, and one more."""
        alice, _bob, _carol = people
        assert limits.ROOM_AFFILIATION_COUNT_MAX >= 1024
        names = [f"u{number}" for number in range(limits.ROOM_AFFILIATION_COUNT_MAX - 1)]  # and the owner
        for first in range(0, len(names), limits.ROOM_CHANGE_COUNT_MAX):
            part = names[first : first + limits.ROOM_CHANGE_COUNT_MAX]
            changes = tuple(OccupantChange(ChangeKind.AFFILIATION, f"{name}@{DOMAIN}", int(MEMBER)) for name in part)
            assert alice.do(ChangeOccupants(ROOM, changes)).outcome == Done()
        assert refusal(change_affiliation(alice, "one-more", MEMBER)) == ("resource-constraint", "wait")

    def test_the_last_one_out_of_a_temporary_room(self, world: World) -> None:
        """Removes the room; what else was asked for is no one's any more."""
        raise_version(world)
        alice, bob = world.online("alice"), world.online("bob")
        open_room(alice)
        enter(bob, "b")
        leave(alice)
        changes = (
            OccupantChange(ChangeKind.ROLE, "b", int(Role.NONE)),
            OccupantChange(ChangeKind.AFFILIATION, f"x@{DOMAIN}", int(MEMBER)),
        )
        assert alice.do(ChangeOccupants(ROOM, changes)).outcome == Done()
        assert view(alice) is None


class TestSection75Whispering:
    """7.5 Sending a private message."""

    def whisper(self, client: Client, nick: str) -> CommandResult:
        """Say hi to one."""
        return client.do(WhisperInRoom(ROOM, nick, b"<message type='chat'><body>hi</body></message>"))

    def test_reaches_one(self, people: tuple[Client, Client, Client]) -> None:
        """From the sender's address in the room, marked as of a room."""
        _alice, bob, carol = people
        [arrived] = arrivals(self.whisper(bob, "c"))
        assert arrived.session_id == carol.session_id
        assert arrived.stanza.startswith(f"<message from='{ADDRESS}/b' type='chat'>".encode())
        assert b"<x xmlns='http://jabber.org/protocol/muc#user'/>" in arrived.stanza
        assert bob.world.count("archive") == 0

    def test_nobody_there(self, people: tuple[Client, Client, Client]) -> None:
        """item-not-found; not-acceptable from outside."""
        _alice, bob, carol = people
        assert refusal(self.whisper(bob, "x")) == ("item-not-found", "cancel")
        leave(carol)
        assert refusal(self.whisper(carol, "b")) == ("not-acceptable", "modify")

    @pytest.mark.parametrize(
        ("setting", "role", "may"),
        [
            (PrivateMessages.ANYONE, VISITOR, True),
            (PrivateMessages.PARTICIPANTS, VISITOR, False),
            (PrivateMessages.PARTICIPANTS, PARTICIPANT, True),
            (PrivateMessages.MODERATORS, PARTICIPANT, False),
            (PrivateMessages.MODERATORS, MODERATOR, True),
            (PrivateMessages.NOBODY, MODERATOR, False),
        ],
    )
    def test_who_may(
        self, people: tuple[Client, Client, Client], setting: PrivateMessages, role: Role, may: bool
    ) -> None:
        """As the owner says."""
        alice, bob, _carol = people
        change_role(alice, "b", role)
        configure(alice, persistent=True, private_messages=setting)
        result = self.whisper(bob, "c")
        assert result.outcome == Done() if may else refusal(result) == FORBIDDEN

    def test_a_blocked_occupant(self, people: tuple[Client, Client, Client]) -> None:
        """XEP-0191 section 3.3."""
        _alice, bob, carol = people
        carol.do(ChangeBlocklist(True, (f"{ADDRESS}/b",)))
        assert refusal(self.whisper(bob, "c")) == ("service-unavailable", "cancel")


class TestSection78Inviting:
    """7.8.2 Mediated invitation."""

    def test_reaches_the_account(self, people: tuple[Client, Client, Client]) -> None:
        """From the room, archived, and kept for who is away."""
        alice, bob, _carol = people
        bob.world.account("dave")
        assert bob.do(InviteToRoom(ROOM, "dave", "come")).outcome == Done()
        dave, _ = bob.world.bind_observed("dave", "r")
        [arrived] = arrivals(dave.present())
        assert arrived.stanza.startswith(f"<message from='{ADDRESS}' to='dave@{DOMAIN}'>".encode())
        assert f"<invite from='{ADDRESS}/b'><reason>come</reason></invite>".encode() in arrived.stanza
        page = alice.world.machine.answer(ArchivePage("dave", contact=ADDRESS))
        assert len(page.rows) == 1  # type: ignore[union-attr]

    def test_makes_members_of_a_members_only_room(self, people: tuple[Client, Client, Client]) -> None:
        """By an admin, or by everyone where the owner lets them."""
        alice, bob, carol = people
        leave(carol)
        change_affiliation(alice, "bob", MEMBER)
        configure(alice, members_only=True, invites_open=False)
        assert refusal(bob.do(InviteToRoom(ROOM, "carol"))) == FORBIDDEN
        assert alice.do(InviteToRoom(ROOM, "carol")).outcome == Done()
        assert enter(carol, "c").outcome == Done()

    def test_who_is_outside_or_banned(self, people: tuple[Client, Client, Client]) -> None:
        """The one may not invite, the other not be invited."""
        alice, bob, carol = people
        leave(bob)
        assert refusal(bob.do(InviteToRoom(ROOM, "carol"))) == ("not-acceptable", "modify")
        change_affiliation(alice, "bob", OUTCAST)
        assert refusal(carol.do(InviteToRoom(ROOM, "bob"))) == NOT_ALLOWED

    def test_a_room_that_is_blocked_invites_nobody(self, people: tuple[Client, Client, Client]) -> None:
        """Without a word."""
        alice, bob, _carol = people
        bob.do(ChangeBlocklist(True, (ADDRESS,)))
        result = alice.do(InviteToRoom(ROOM, "bob"))
        assert (result.outcome, arrivals(result)) == (Done(), [])

    def test_declined(self, people: tuple[Client, Client, Client]) -> None:
        """The inviter hears of it from the room."""
        alice, _bob, carol = people
        [arrived] = arrivals(carol.do(DeclineInvitation(ROOM, "alice", "no time")))
        assert arrived.session_id == alice.session_id
        assert f"<decline from='carol@{DOMAIN}'><reason>no time</reason></decline>".encode() in arrived.stanza

    @pytest.mark.parametrize("extra", [0, 1])
    def test_the_length_of_a_reason(self, people: tuple[Client, Client, Client], extra: int) -> None:
        """Both sides of the limit."""
        result = people[0].do(InviteToRoom(ROOM, "bob", "r" * (limits.ROOM_REASON_SIZE_MAX + extra)))
        assert result.outcome == Done() if not extra else refusal(result) == ("policy-violation", "modify")


class TestSection713Voice:
    """7.13 Requesting voice."""

    def test_moderators_are_asked(self, people: tuple[Client, Client, Client]) -> None:
        """And nobody else."""
        alice, bob, _carol = people
        change_role(alice, "b", VISITOR)
        [event] = bob.do(RequestVoice(ROOM)).events
        assert isinstance(event, VoiceRequested)
        assert (event.session_ids, event.nick, event.jid) == ((alice.session_id,), "b", bob.full_jid)

    def test_who_has_it_or_may_not_ask(self, people: tuple[Client, Client, Client]) -> None:
        """Both are refused."""
        alice, bob, _carol = people
        assert refusal(bob.do(RequestVoice(ROOM))) == NOT_ALLOWED
        change_role(alice, "b", VISITOR)
        configure(alice, persistent=True, voice_requests=False)
        assert refusal(bob.do(RequestVoice(ROOM))) == FORBIDDEN


class TestSection710Registering:
    """7.10 Registering with a room."""

    def test_makes_a_member_with_a_nickname(self, people: tuple[Client, Client, Client]) -> None:
        """Which nobody else takes from then on; given up again."""
        alice, bob, carol = people
        result = bob.do(RegisterInRoom(ROOM, "bobby"))
        assert shown(result, alice)[0].affiliation == MEMBER
        assert seen(bob).kept_nick == "bobby"
        assert refusal(carol.do(RegisterInRoom(ROOM, "bobby"))) == ("conflict", "cancel")
        bob.do(RegisterInRoom(ROOM, ""))
        assert seen(bob).affiliation == NONE
        assert carol.do(RegisterInRoom(ROOM, "bobby")).outcome == Done()

    def test_an_owner_gives_up_the_nickname_alone(self, people: tuple[Client, Client, Client]) -> None:
        """The affiliation stays."""
        alice, _bob, _carol = people
        alice.do(RegisterInRoom(ROOM, "boss"))
        alice.do(RegisterInRoom(ROOM, ""))
        found = seen(alice)
        assert (found.kept_nick, found.affiliation) == ("", OWNER)

    def test_not_in_a_members_only_room(self, people: tuple[Client, Client, Client]) -> None:
        """Members are made there."""
        alice, bob, _carol = people
        configure(alice, persistent=True, members_only=True)
        assert refusal(bob.do(RegisterInRoom(ROOM, "bobby"))) == NOT_ALLOWED


class TestSection10Owners:
    """10.2 Configuration, 10.9 Destroying, XEP-0486."""

    def test_owners_alone(self, people: tuple[Client, Client, Client]) -> None:
        """An admin may do none of it."""
        alice, bob, _carol = people
        change_affiliation(alice, "bob", ADMIN)
        for result in (configure(bob), bob.do(DestroyRoom(ROOM)), bob.do(SetRoomVcard(ROOM, b"<vCard/>", ""))):
            assert refusal(result) == FORBIDDEN

    @pytest.mark.parametrize(
        ("changes", "codes"),
        [
            ({}, (104,)),
            ({"archived": False}, (104, 171)),
            ({"non_anonymous": True}, (104, 172)),
        ],
    )
    def test_everyone_is_told(
        self, people: tuple[Client, Client, Client], changes: dict[str, bool], codes: tuple[int, ...]
    ) -> None:
        """10.2.1: what changed, and back again."""
        alice, _bob, carol = people
        [notice] = events_for(configure(alice, persistent=True, **changes), carol, RoomNoticed)
        assert notice.statuses == codes
        [notice] = events_for(configure(alice, persistent=True), carol, RoomNoticed)
        assert notice.statuses == {(104, 171): (104, 170), (104, 172): (104, 173)}.get(codes, codes)

    def test_who_is_no_member_has_to_go(self, people: tuple[Client, Client, Client]) -> None:
        """10.2.1: 322 when the room becomes members-only."""
        alice, bob, carol = people
        change_affiliation(alice, "carol", MEMBER)
        result = configure(alice, members_only=True)
        assert shown(result, bob)[0].statuses == (322, 110)
        assert nicks(result, carol) == [("b", False)]

    def test_roles_that_are_not_broadcast(self, people: tuple[Client, Client, Client]) -> None:
        """A crowd: participants see moderators and themselves, and entering costs a few presences."""
        alice, bob, carol = people
        result = configure(alice, persistent=True, broadcast_roles=1 << MODERATOR)
        assert nicks(result, bob) == [("c", False)]
        assert nicks(result, alice) == [("b", False), ("c", False)]
        leave(carol)
        result = enter(carol, "c")
        assert nicks(result, carol) == [("owner", True), ("c", True)]
        assert shown(result, alice) == shown(result, bob) == []
        assert nicks(change_role(alice, "c", MODERATOR), bob) == [("c", True)]
        assert nicks(change_role(alice, "c", PARTICIPANT), bob) == [("c", False)]
        assert nicks(configure(alice, persistent=True, broadcast_roles=ALL_ROLES), bob) == [("c", True)]

    def test_destroyed(self, people: tuple[Client, Client, Client]) -> None:
        """10.9: everyone is told of themselves, why, and where to go; nothing is left."""
        alice, bob, _carol = people
        result = alice.do(DestroyRoom(ROOM, reason="dark", alternate="new@example.org", password="p"))
        [told] = shown(result, bob)
        assert (told.nick, told.is_available, told.reason) == ("b", False, "dark")
        assert (told.alternate, told.password) == ("new@example.org", "p")
        assert view(alice) is None
        assert refusal(say(bob, "hm")) == ("item-not-found", "cancel")

    def test_cancelled(self, world: World) -> None:
        """10.1.3: a room that was never opened goes; one that was stays."""
        raise_version(world)
        alice = world.online("alice")
        enter(alice, "a")
        configure(alice)
        assert alice.do(DestroyRoom(ROOM, is_cancelled=True)).outcome == Done()
        assert view(alice) is not None
        enter(alice, "a", room="other")
        alice.do(DestroyRoom("other", is_cancelled=True))
        assert view(alice, "other") is None

    @pytest.mark.parametrize("extra", [0, 1])
    def test_a_picture(self, people: tuple[Client, Client, Client], extra: int) -> None:
        """XEP-0486: both sides of its size; taken away by an empty card."""
        alice, bob, _carol = people
        data = b"x" * (limits.ROOM_VCARD_SIZE_MAX + extra)
        result = alice.do(SetRoomVcard(ROOM, data, "abc"))
        if extra:
            assert refusal(result) == ("not-acceptable", "modify")
            return
        assert events_for(result, bob, RoomNoticed)[0].statuses == (104,)
        assert alice.world.machine.answer(RoomVcardOf(ROOM)) == data
        assert seen(bob).picture_hash == "abc"
        alice.do(SetRoomVcard(ROOM, b"", ""))
        assert alice.world.machine.answer(RoomVcardOf(ROOM)) is None


class TestModeration:
    """XEP-0425: a moderator retracts for everyone."""

    def moderate(self, client: Client, position: int) -> CommandResult:
        """Retract a message."""
        return client.do(ModerateMessage(ROOM, position, f"7-{position}", "m1", "rude"))  # type: ignore[arg-type]

    def test_everyone_is_told_and_nothing_is_left(self, people: tuple[Client, Client, Client]) -> None:
        """4.1 and 5: an event in the archive, and a tombstone in place of the message."""
        alice, bob, carol = people
        position = say(bob, "rude words").position
        [told] = events_for(self.moderate(alice, position), carol, RoomMessageArrived)
        assert f"<retract id='7-{position}' xmlns='urn:xmpp:message-retract:1'>".encode() in told.stanza
        assert f"<moderated by='{ADDRESS}/owner'".encode() in told.stanza
        page = alice.world.machine.answer(RoomArchivePage(ROOM))
        stone, event = [row.stanza for row in page.rows]  # type: ignore[union-attr]
        assert event == told.stanza
        assert b"rude words" not in stone
        assert stone.startswith(f"<message from='{ADDRESS}/b' type='groupchat'><occupant-id ".encode())
        assert b"<retracted stamp='2023-11-14T22:13:20.000Z' id='m1'" in stone

    @pytest.mark.parametrize("own", [True, False])
    def test_by_the_author(self, people: tuple[Client, Client, Client], own: bool) -> None:
        """XEP-0424: one's own message leaves the archive; somebody else's stays, whatever is said of it."""
        alice, bob, carol = people
        position = say(bob, "typo").position
        retract = b"<message type='groupchat' id='r'><retract xmlns='urn:xmpp:message-retract:1'/></message>"
        result = say(bob if own else carol, "", stanza=retract, retracts=position, message_id="r")
        assert events_for(result, carol, RoomMessageArrived)[0].stanza.count(b"<retract ") == 1
        first = alice.world.machine.answer(RoomArchivePage(ROOM)).rows[0].stanza  # type: ignore[union-attr]
        assert (b"typo" in first, b"<retracted " in first) == (not own, own)

    def test_by_moderators_alone(self, people: tuple[Client, Client, Client]) -> None:
        """forbidden; and what is not there cannot be retracted."""
        alice, bob, carol = people
        position = say(bob, "hm").position
        assert refusal(self.moderate(carol, position)) == FORBIDDEN
        assert refusal(self.moderate(alice, position + 1)) == ("item-not-found", "cancel")


def test_a_message_that_comes_again(people: tuple[Client, Client, Client]) -> None:
    """The same origin id and words within seven days are said once; the same id with other words twice."""
    alice, bob, _carol = people
    first = say(bob, "hi", origin_id="o", fingerprint=b"1")
    again = say(bob, "hi", origin_id="o", fingerprint=b"1")
    other = say(bob, "ho", origin_id="o", fingerprint=b"2")
    assert [len(result.events) for result in (first, again, other)] == [1, 0, 1]
    assert alice.world.count("archive") == 2
