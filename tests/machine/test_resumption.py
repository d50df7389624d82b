"""Sessions that outlive their node: detached, taken over, expired (XEP-0198 section 5)."""

from __future__ import annotations

from typing import Any

import pytest

from machine.world import START_MS, Client, World, arrivals
from raftline.base.ids import CURSOR_START, NodeId, SessionId
from raftline.base.limits import (
    ACCOUNT_SESSION_COUNT_MAX,
    ENDED_SESSION_AGE_MAX_MS,
    EXPIRED_SESSION_COUNT_MAX,
    LEFT_RESOURCE_AGE_MAX_MS,
)
from raftline.machine import messages
from raftline.machine.commands import (
    BindSession,
    CarryOutDue,
    ChangeBlocklist,
    CreateAccount,
    DeclareInterest,
    DetachSession,
    EnableManagement,
    MarkSessions,
    OpenRequest,
    RemoveRosterItem,
    ResumeSession,
    SessionMark,
    SessionOrigin,
    SetRosterItem,
)
from raftline.machine.message_commands import Storage
from raftline.machine.node_commands import BuryNode, StartNode
from raftline.machine.outcomes import (
    CommandResult,
    ContactUnavailable,
    Done,
    Gone,
    InboxWaiting,
    MessageArrived,
    PresenceArrived,
    Rejected,
    Resumed,
    RosterPushed,
    SessionEnded,
    SessionReleased,
    Stale,
    cursor_of,
)
from raftline.machine.queries import ArchivePage, InboxPage, KeptAnswer, NextExpiry, PictureOf, SessionAt
from raftline.machine.timers import due

TOKEN = bytes(range(16))
TIMEOUT_S = 60


def resumable(world: World, localpart: str = "bob", resource: str = "r", **options: Any) -> Client:
    """A session that can be resumed, available and interested in its roster."""
    client = world.bind(localpart, resource, **options)
    world.do(EnableManagement(client.session_id, client.epoch, client.number, TOKEN, TIMEOUT_S))
    client.do(DeclareInterest())
    client.present()
    return client


def detach(client: Client) -> CommandResult:
    return client.world.do(DetachSession(client.session_id, client.epoch))


def resume(client: Client, *, node_id: int = 2, incarnation: int = 1, **changes: Any) -> CommandResult:
    """Take a session over, on another node unless said otherwise; the client goes on from what comes of it."""
    fields = {"localpart": client.localpart, "session_id": client.session_id, "token": TOKEN} | changes
    action = ResumeSession(**fields, node_id=NodeId(node_id), incarnation=incarnation)
    result = client.world.do(action, node_id=node_id)
    if isinstance(result.outcome, Done) and isinstance(result.outcome.result, Resumed):
        client.epoch = result.outcome.result.epoch
        client.node_id = node_id
    return result


def owed(client: Client) -> list[str]:
    """Bodies of what the session gets by page from its beginning on."""
    return bodies(client.world.machine.answer(InboxPage(client.session_id, CURSOR_START)))


def bodies(events: Any) -> list[str]:
    return [
        event.stanza.partition(b"<body>")[2].partition(b"</body>")[0].decode()
        for event in events
        if isinstance(event, MessageArrived)
    ]


def pass_time(world: World, seconds: float) -> CommandResult:
    world.time_ms += round(seconds * 1000)
    return world.do(CarryOutDue())


def node_of(world: World, client: Client) -> int | None:
    row = world.machine.answer(SessionAt(client.localpart, client.resource))
    return None if row is None else row.node_id


class TestDetach:
    """Nobody holds the session; nobody else notices."""

    def test_it_stays_and_takes_messages(self, world: World):
        """Bound and available as before; what comes waits in its inbox."""
        alice, bob = world.online("alice"), resumable(world)
        assert detach(bob).events == []
        assert node_of(world, bob) == 0
        assert alice.send("bob", "x").outcome == Done()
        assert owed(bob) == ["x"]
        assert world.count("offline") == 0

    def test_without_a_token_it_ends(self, world: World):
        """Stream management alone is not resumption."""
        bob = world.online("bob", managed=True)
        assert SessionEnded(NodeId(1), bob.session_id, "") in detach(bob).events
        assert node_of(world, bob) is None

    def test_it_is_fenced_and_idempotent(self, world: World):
        """Another epoch's is stale, a second one does not start the clock anew, an unknown session's is nothing."""
        bob = resumable(world)
        assert world.do(DetachSession(bob.session_id, 7)).outcome == Stale()
        detach(bob)
        due_ms = world.machine.answer(NextExpiry())
        assert due_ms == world.time_ms + TIMEOUT_S * 1000
        world.time_ms += 1000
        assert detach(bob).outcome == Done()
        assert world.machine.answer(NextExpiry()) == due_ms
        assert world.do(DetachSession(SessionId(99), 1)).outcome == Done()

    @pytest.mark.parametrize("ends", [BuryNode(NodeId(1), 1), StartNode(NodeId(1), 2)])
    def test_a_node_that_ends_its_life_detaches(self, world: World, ends: Any):
        """Sessions that can be resumed wait; the node, should it live, is told that it does not hold them."""
        bob, plain = resumable(world), world.online("alice")
        result = world.do(ends)
        assert [event for event in result.events if isinstance(event, SessionReleased | SessionEnded)] == [
            SessionReleased(NodeId(1), bob.session_id, bob.epoch, "reset"),
            SessionEnded(NodeId(1), plain.session_id, "reset"),
        ]
        assert node_of(world, bob) == 0
        assert world.do(ends).events == []

    def test_a_full_account_ends_the_one_that_waits_longest(self, world: World):
        """A client that comes back by another way is not locked out by what it left."""
        waiting = [resumable(world, "bob", f"r{number}") for number in range(ACCOUNT_SESSION_COUNT_MAX)]
        assert isinstance(world.do(BindSession("bob", "new", NodeId(1), 1)).outcome, Rejected)
        for bob in (waiting[5], waiting[3]):
            world.time_ms += 1000
            detach(bob)
        result = world.do(BindSession("bob", "new", NodeId(1), 1))
        assert SessionEnded(NodeId(1), waiting[5].session_id, "connection-timeout") in result.events

    def test_a_full_inbox_ends_it(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """As if its time were over: what it owed waits offline, and the message that found no room too."""
        monkeypatch.setattr(messages, "INBOX_MESSAGE_COUNT_MAX", 2)
        alice, bob = world.online("alice"), resumable(world)
        detach(bob)
        for number in range(3):
            alice.send("bob", str(number))
        assert node_of(world, bob) is None
        assert bodies(world.bind("bob", "new").present().events) == ["0", "1", "2"]

    def test_a_full_inbox_of_a_session_that_is_held_stays(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """It takes no more until its client acknowledges."""
        monkeypatch.setattr(messages, "INBOX_MESSAGE_COUNT_MAX", 1)
        alice, bob = world.online("alice"), resumable(world)
        for number in range(2):
            alice.send("bob", str(number))
        assert node_of(world, bob) == 1
        assert owed(bob) == ["0"]


class TestResume:
    """A committed take-over."""

    @pytest.mark.parametrize("is_detached", [True, False])
    def test_take_over(self, world: World, *, is_detached: bool):
        """A new epoch on another node, from where the session was; whoever holds it is told (also while it lives)."""
        bob = resumable(world)
        world.do(MarkSessions((SessionMark(bob.session_id, 1, 9, CURSOR_START),)))
        if is_detached:
            detach(bob)
        result = resume(bob)
        assert result.outcome == Done(Resumed(bob.session_id, 2, "r", 2, 9, 0))
        assert result.events == [SessionReleased(NodeId(1), bob.session_id, 1, "conflict")]
        assert node_of(world, bob) == 2
        assert world.machine.answer(NextExpiry()) is None

    def test_commands_of_the_former_epoch_are_stale(self, world: World):
        """Nothing that was under way takes effect after the take-over; the chain goes on under the new epoch."""
        bob = resumable(world)
        late = world.command(bob.message("alice", "late"), bob.origin())
        resume(bob)
        assert [result.outcome for result in world.apply(late)] == [Stale()]
        bob.number -= 1
        assert bob.send("alice", "again").outcome == Done()
        assert world.machine.answer(ArchivePage("bob")).count == 1

    def test_marks_and_ends_of_the_former_epoch_are_nothing(self, world: World):
        """The former holder says no more what the client has, nor that the session is over."""
        alice, bob = world.online("alice"), resumable(world)
        sent = alice.send("bob", "x")
        mark = SessionMark(bob.session_id, 1, 99, cursor_of(arrivals(sent)[0]))
        resume(bob)
        world.do(MarkSessions((mark,)))
        world.do(DetachSession(bob.session_id, 1))
        assert owed(bob) == ["x"]
        assert node_of(world, bob) == 2

    def test_twice(self, world: World):
        """Each take-over begins an epoch; a double on its way takes the session from the first."""
        bob = resumable(world)
        assert resume(bob).events == [SessionReleased(NodeId(1), bob.session_id, 1, "conflict")]
        assert resume(bob, node_id=3).events == [SessionReleased(NodeId(2), bob.session_id, 2, "conflict")]
        assert bob.epoch == 3

    @pytest.mark.parametrize(
        "changes",
        [
            {"token": bytes(16)},
            {"token": b""},
            {"localpart": "alice"},
            {"localpart": "nobody"},
            {"session_id": SessionId(99)},
        ],
    )
    @pytest.mark.parametrize("is_over", [True, False])
    def test_not_found(self, world: World, changes: dict[str, Any], *, is_over: bool):
        """A wrong token, another's account and an unknown session look the same, alive or over."""
        bob = resumable(world)
        if is_over:
            bob.end()
        result = resume(bob, **changes)
        assert isinstance(result.outcome, Rejected)
        assert (result.outcome.condition, result.events) == ("item-not-found", [])

    def test_a_session_without_a_token_is_not_found(self, world: World):
        """Not even by an empty one."""
        bob = world.online("bob", managed=True)
        assert isinstance(resume(bob, token=b"").outcome, Rejected)

    def test_by_a_node_that_is_over(self, world: World):
        """A node that was declared dead meanwhile gets no session."""
        bob = resumable(world)
        world.do(BuryNode(NodeId(2), 5))
        assert resume(bob, incarnation=5).outcome == Stale()
        assert isinstance(resume(bob, incarnation=6).outcome, Done)

    def test_an_ended_session_is_remembered_for_a_day(self, world: World):
        """Its client learns how far it had come, as it counts, and later nothing."""
        bob = world.bind("bob")
        for _ in range(3):
            bob.send("alice")
        world.do(EnableManagement(bob.session_id, 1, 3, TOKEN, TIMEOUT_S))
        for _ in range(4):
            bob.send("alice")
        bob.end()
        assert resume(bob).outcome == Done(Gone(4))
        world.time_ms += ENDED_SESSION_AGE_MAX_MS
        world.do(CreateAccount("x", ()))
        assert world.count("ended_session") == 1
        world.time_ms += 2
        world.do(CreateAccount("y", ()))
        assert world.count("ended_session") == 0
        assert isinstance(resume(bob).outcome, Rejected)

    def test_messages_find_the_new_node(self, world: World):
        """From the take-over on events name the node that holds the session, whoever held it a message ago."""
        alice, bob = world.online("alice"), resumable(world)
        for node_id in (1, 2, 3):
            if node_id > 1:
                resume(bob, node_id=node_id)
            assert [event.node_id for event in arrivals(alice.send("bob"))] == [node_id]


class TestExpire:
    """Cluster time decides."""

    def test_in_time_and_too_late(self, world: World):
        """A moment before its time a session is resumed; at its time it ends, whatever command comes first."""
        bob = resumable(world)
        detach(bob)
        assert pass_time(world, TIMEOUT_S - 0.001).events == []
        assert isinstance(resume(bob).outcome.result, Resumed)  # type: ignore[union-attr]
        detach(bob)
        world.time_ms += TIMEOUT_S * 1000
        assert resume(bob).outcome == Done(Gone(bob.number))
        assert node_of(world, bob) is None

    def test_what_it_owed_waits_and_contacts_see_it_go(self, world: World):
        """Unacknowledged messages become offline messages, the rest is gone."""
        alice, bob = world.online("alice"), resumable(world)
        world.befriend(alice, bob)
        first = alice.send("bob", "1")
        bob.acknowledge(first.position)
        alice.send("bob", "2")
        detach(bob)
        result = pass_time(world, TIMEOUT_S)
        assert ContactUnavailable(NodeId(1), alice.session_id, bob.full_jid) in result.events
        assert bodies(world.bind("bob", "new").present().events) == ["2"]
        assert [world.count(table) for table in ("resumption", "inbox")] == [0, 0]

    def test_so_many_at_once(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """The longest overdue first, the rest by the next command."""
        assert due.KINDS[0].count_max == EXPIRED_SESSION_COUNT_MAX
        monkeypatch.setattr(due, "KINDS", tuple(kind._replace(count_max=2) for kind in due.KINDS))
        sessions = [resumable(world, "bob", f"r{number}") for number in range(3)]
        for bob in reversed(sessions):
            world.time_ms += 1000
            detach(bob)
        pass_time(world, TIMEOUT_S)
        assert [node_of(world, bob) for bob in sessions] == [0, None, None]
        pass_time(world, 0)
        assert node_of(world, sessions[0]) is None


class TestInboxPage:
    """Delivery is a cursor."""

    def test_pages_follow_the_order_of_delivery(self, world: World):
        """Late messages after live ones that came before them; each has its position, its time and its archive."""
        alice = world.online("alice")
        late = alice.send("bob", "late")
        bob = world.bind("bob")
        world.do(EnableManagement(bob.session_id, 1, 0, TOKEN, TIMEOUT_S))
        live = alice.send("bob/r", "live", storage=int(Storage.OFFLINE))
        bob.present()
        machine = world.machine
        first = machine.answer(InboxPage(bob.session_id, CURSOR_START, 1))
        (event,) = first
        assert (event.position, event.owner, event.delayed_ms) == (live.position, "", START_MS)
        (event,) = machine.answer(InboxPage(bob.session_id, cursor_of(event), 1))
        assert (event.position, event.owner) == (late.position, bob.jid)
        assert machine.answer(InboxPage(bob.session_id, cursor_of(event), 1)) == []
        assert machine.answer(InboxPage(SessionId(99), CURSOR_START)) == []
        assert machine.answer(InboxPage(bob.session_id, CURSOR_START, 0)) == []
        assert machine.answer(InboxPage(bob.session_id, CURSOR_START, -1)) == []

    def test_large_stanzas_make_short_pages(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """But there is always one while there are any."""
        monkeypatch.setattr("raftline.machine.catch_up.INBOX_PAGE_BYTES_MAX", 300)
        alice, bob = world.online("alice"), resumable(world)
        for number in range(5):
            alice.send("bob", str(number) * 200)
        page = world.machine.answer(InboxPage(bob.session_id, CURSOR_START))
        assert len(page) == 2
        monkeypatch.setattr("raftline.machine.catch_up.INBOX_PAGE_BYTES_MAX", 0)
        assert len(world.machine.answer(InboxPage(bob.session_id, cursor_of(page[1])))) == 1

    def test_a_flood_is_asked_for(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """Offline messages beyond a page come as one event, and by page in their order."""
        monkeypatch.setattr("raftline.machine.inbox.INBOX_PAGE_ROW_COUNT_MAX", 2)
        alice = world.online("alice")
        for number in range(3):
            alice.send("bob", str(number))
        bob = world.bind("bob")
        world.do(EnableManagement(bob.session_id, 1, 0, TOKEN, TIMEOUT_S))
        result = bob.present()
        assert [event for event in result.events if isinstance(event, InboxWaiting | MessageArrived)] == [
            InboxWaiting(NodeId(1), bob.session_id)
        ]
        assert owed(bob) == ["0", "1", "2"]


class TestKeptRequests:
    """No request is left without an answer."""

    def ask(self, bob: Client, *requests: OpenRequest, action: Any = None) -> CommandResult:
        """A command that covers requests."""
        bob.number = requests[-1].number
        origin = SessionOrigin(bob.session_id, bob.epoch, bob.number, 2, requests)
        return bob.world.do(action or bob.message("alice"), origin)

    def answers(self, bob: Client) -> list[KeptAnswer]:
        return bob.world.machine.answer(PictureOf(bob.session_id)).answers

    def test_with_a_command(self, world: World):
        """Its outcome answers the request it was caused by; of those it covers beside nothing is known."""
        bob = resumable(world)
        action = SetRosterItem("x@example.org", "", ("",))
        requests = (OpenRequest(3, "get", "example.org"), OpenRequest(4, "set", "", is_command=True))
        outcome = self.ask(bob, *requests, action=action).outcome
        assert isinstance(outcome, Rejected)
        assert self.answers(bob) == [KeptAnswer(3, "get", "example.org", None), KeptAnswer(4, "set", "", outcome)]

    def test_an_outcome_answers_only_what_asked_for_no_more(self, world: World):
        """A request whose command is a mere consequence is told something else, which is kept nowhere."""
        bob = resumable(world)
        self.ask(bob, OpenRequest(3, "get", "example.org"))
        assert self.answers(bob) == [KeptAnswer(3, "get", "example.org", None)]

    def test_with_a_mark_until_answered(self, world: World):
        """A mark tells of requests, another that the client has the answers."""
        bob = resumable(world)
        world.do(
            MarkSessions(
                (SessionMark(bob.session_id, 1, 4, CURSOR_START, (OpenRequest(3, "a", ""), OpenRequest(4, "b", ""))),)
            )
        )
        assert [answer.number for answer in self.answers(bob)] == [3, 4]
        world.do(MarkSessions((SessionMark(bob.session_id, 1, 4, CURSOR_START, (), (3, 77)),)))
        assert [answer.number for answer in self.answers(bob)] == [4]

    def test_what_was_covered_before_is_not_told_again(self, world: World):
        """A mark that comes twice does not bring back what was answered between."""
        bob = resumable(world)
        mark = MarkSessions((SessionMark(bob.session_id, 1, 3, CURSOR_START, (OpenRequest(3, "a", ""),)),))
        world.do(mark)
        world.do(MarkSessions((SessionMark(bob.session_id, 1, 3, CURSOR_START, (), (3,)),)))
        world.do(mark)
        assert self.answers(bob) == []

    def test_only_of_sessions_that_can_be_resumed(self, world: World):
        """Nobody will ask for the others; and they go with their session."""
        plain = world.online("bob", managed=True)
        self.ask(plain, OpenRequest(3, "a", ""))
        assert world.count("kept_request") == 0
        bob = resumable(world, resource="other")
        self.ask(bob, OpenRequest(3, "a", ""))
        assert world.count("kept_request") == 1
        bob.end()
        assert world.count("kept_request") == 0


class TestPicture:
    """What a resumed session is told of rosters and presence."""

    def picture(self, bob: Client) -> list[Any]:
        return bob.world.machine.answer(PictureOf(bob.session_id)).events

    def test_contacts_as_they_are_now(self, world: World):
        """Present ones with their presence, those that left as unavailable, strangers not at all."""
        bob, alice = resumable(world), world.online("alice")
        world.befriend(bob, alice)
        carol = world.online("carol")
        alice.present(text="here")
        (event,) = [event for event in self.picture(bob) if not isinstance(event, RosterPushed)]
        assert isinstance(event, PresenceArrived)
        assert b"here" in event.stanza
        alice.end()
        carol.end()
        (event,) = [event for event in self.picture(bob) if not isinstance(event, RosterPushed)]
        assert event == ContactUnavailable(NodeId(1), bob.session_id, alice.full_jid)

    @pytest.mark.parametrize("contact_blocks", [True, False])
    def test_who_is_blocked_is_neither_seen_nor_shown(self, world: World, *, contact_blocks: bool):
        """Neither presence nor farewells pass in either direction; other contacts are told as always."""
        bob, alice, carol = resumable(world), world.online("alice", "phone"), world.online("carol")
        world.befriend(bob, alice)
        world.befriend(bob, carol)
        world.online("alice", "desk").end()
        one, other = (alice, bob) if contact_blocks else (bob, alice)
        one.do(ChangeBlocklist(True, (other.jid,)))
        told = [event for event in self.picture(bob) if not isinstance(event, RosterPushed)]
        assert len(told) == 1
        assert isinstance(told[0], PresenceArrived)
        assert carol.full_jid.encode() in told[0].stanza

    def test_a_known_roster_is_not_told_again(self, world: World):
        """Changes alone, however many items there are."""
        bob, other = resumable(world), world.online("bob", "other", priority=None)
        for number in range(3):
            other.do(SetRosterItem(f"{number}@example.org", "", ()))
        (*_, last) = [event for event in self.picture(bob) if isinstance(event, RosterPushed)]
        world.do(MarkSessions((SessionMark(bob.session_id, 1, 0, CURSOR_START, (), (), last.version),)))
        other.do(SetRosterItem("1@example.org", "One", ()))
        (event,) = [event for event in self.picture(bob) if isinstance(event, RosterPushed)]
        assert (event.item.contact, event.item.name) == ("1@example.org", "One")

    def test_the_known_version_never_falls(self, world: World):
        """A mark that comes late takes nothing back; one of a session without a token is no matter."""
        bob, plain = resumable(world), world.online("bob", "other", priority=None)
        for number in range(2):
            plain.do(SetRosterItem(f"{number}@example.org", "", ()))
        (first, second) = [event for event in self.picture(bob) if isinstance(event, RosterPushed)]

        def mark(client: Client, version: int) -> SessionMark:
            return SessionMark(client.session_id, 1, 0, CURSOR_START, (), (), version)

        assert world.do(MarkSessions((mark(plain, second.version), mark(bob, second.version)))).outcome == Done()
        world.do(MarkSessions((mark(bob, first.version),)))
        assert [event for event in self.picture(bob) if isinstance(event, RosterPushed)] == []

    def test_one_of_several_resources_left(self, world: World):
        """Its farewell, and the presence of those that are there; none for what came back, or left long ago."""
        bob, desk = resumable(world), world.online("alice", "desk")
        world.befriend(bob, desk)
        phone = world.online("alice", "phone")
        phone.end()
        told = [event for event in self.picture(bob) if not isinstance(event, RosterPushed)]
        assert told[0] == ContactUnavailable(NodeId(1), bob.session_id, phone.full_jid)
        assert [isinstance(event, PresenceArrived) for event in told[1:]] == [True]
        world.online("alice", "phone")
        assert not [event for event in self.picture(bob) if isinstance(event, ContactUnavailable)]
        desk.present(None)
        assert [event for event in self.picture(bob) if isinstance(event, ContactUnavailable)]
        world.time_ms += LEFT_RESOURCE_AGE_MAX_MS + 1
        world.do(CreateAccount("x", ()))
        assert not [event for event in self.picture(bob) if isinstance(event, ContactUnavailable)]

    def test_own_sessions(self, world: World):
        """The account's other sessions too, not itself."""
        bob, other = resumable(world), world.online("bob", "other")
        (event,) = self.picture(bob)
        assert isinstance(event, PresenceArrived)
        assert other.full_jid.encode() in event.stanza

    def test_not_while_unavailable(self, world: World):
        """Who is not there is told of nobody."""
        bob, _other = resumable(world), world.online("bob", "other")
        bob.present(None)
        assert self.picture(bob) == []

    def test_roster_changes_that_the_client_may_not_have(self, world: World):
        """Until a mark says that it has them."""
        bob, other = resumable(world), world.online("bob", "other", priority=None)
        assert [event for event in self.picture(bob) if isinstance(event, RosterPushed)] == []
        other.do(SetRosterItem("x@example.org", "X", ()))
        (event,) = [event for event in self.picture(bob) if isinstance(event, RosterPushed)]
        assert (event.item.contact, event.item.name) == ("x@example.org", "X")
        world.do(MarkSessions((SessionMark(bob.session_id, 1, 0, CURSOR_START, (), (), event.version),)))
        assert [event for event in self.picture(bob) if isinstance(event, RosterPushed)] == []
        other.do(RemoveRosterItem("x@example.org"))
        (event,) = [event for event in self.picture(bob) if isinstance(event, RosterPushed)]
        assert (event.item.contact, event.item.subscription) == ("x@example.org", "remove")
