"""Sessions: bound, fenced, marked, ended."""

from __future__ import annotations

import pytest

from machine.world import Client, World, arrivals, outcomes
from raftline.base.ids import Cursor, NodeId, Position, SessionId
from raftline.base.limits import ACCOUNT_SESSION_COUNT_MAX
from raftline.machine.commands import (
    BindSession,
    EnableManagement,
    EndSession,
    EndSessions,
    MarkSessions,
    SessionMark,
    SessionOrigin,
    SetPresence,
)
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Bound, ContactUnavailable, Done, Rejected, SessionEnded
from raftline.machine.queries import ArchivePage, SessionAt, SessionRow, SessionsOf
from raftline.machine.versions import FEATURES_SINCE, VERSION_MAX


class TestExactlyOnce:
    """A retry neither doubles nor overtakes."""

    def test_a_repeat_has_no_effect(self, world: World):
        """The same command twice, in one entry or in two."""
        alice = world.online("alice")
        command = world.command(alice.message("bob"), alice.origin())
        first, second = world.apply(command, command)
        (third,) = world.apply(command)
        assert outcomes(first, second, third) == ["Done", "Repeated", "Repeated"]
        assert second.events == third.events == []
        assert world.machine.answer(ArchivePage("bob")).count == 1

    def test_a_gap_is_refused_and_filled(self, world: World):
        """What overtook its predecessor has no effect; both take effect when tried again in order."""
        alice = world.online("alice")
        first = world.command(alice.message("bob", "1"), alice.origin())
        second = world.command(alice.message("bob", "2"), alice.origin())
        assert outcomes(*world.apply(second, first, second)) == ["Stale", "Done", "Done"]
        rows = world.machine.answer(ArchivePage("bob")).rows
        assert [row.stanza.count(body) for row, body in zip(rows, (b">1<", b">2<"), strict=True)] == [1, 1]

    def test_numbers_may_skip_stanzas_without_a_command(self, world: World):
        """The chain is by predecessor, not by consecutive numbers."""
        alice = world.bind("alice")
        for number, previous in ((5, 0), (9, 5)):
            origin = SessionOrigin(alice.session_id, alice.epoch, number, previous)
            assert world.do(alice.message("bob"), origin).outcome == Done()
        for number, previous, expected in ((7, 5, "Repeated"), (9, 5, "Repeated"), (12, 5, "Stale"), (12, 11, "Stale")):
            origin = SessionOrigin(alice.session_id, alice.epoch, number, previous)
            assert outcomes(world.do(alice.message("bob"), origin)) == [expected]

    @pytest.mark.parametrize(("session", "epoch"), [(0, 2), (0, 0), (99, 1)])
    def test_other_epochs_and_sessions_are_stale(self, world: World, session: int, epoch: int):
        """An epoch that is over or not begun, a session that never was."""
        alice = world.bind("alice")
        origin = SessionOrigin(SessionId(session or alice.session_id), epoch, 1, 0)
        result = world.do(alice.message("bob"), origin)
        assert (outcomes(result), result.events) == (["Stale"], [])

    def test_an_ended_session_is_stale(self, world: World):
        """Nothing of it takes effect any more."""
        alice = world.online("alice")
        alice.end()
        assert outcomes(alice.send("bob")) == ["Stale"]

    def test_a_refused_command_counts(self, world: World):
        """Its successor follows on it."""
        alice = world.bind("alice")
        assert isinstance(alice.do(SetPresence(b"<presence/>", 128)).outcome, Rejected)
        assert alice.send("bob").outcome == Done()

    def test_a_session_command_needs_a_session(self, world: World):
        """Without an origin there is nobody who sends."""
        alice = world.bind("alice")
        outcome = world.do(alice.message("bob")).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "bad-request"


class TestBind:
    """RFC 6120 section 7."""

    def test_ids_are_never_used_twice(self, world: World):
        """A session that ended leaves its number unused."""
        first = world.bind("alice")
        assert first.session_id == 1
        first.end()
        second = world.bind("alice")
        assert second.session_id > first.session_id

    def test_a_taken_resource_ends_its_holder(self, world: World):
        """7.7.2.2: the older session ends with conflict, contacts see it go; others of the account stay."""
        old, other = world.online("alice", "phone"), world.online("alice", "desk")
        result = world.do(BindSession("alice", "phone", NodeId(2), 1))
        assert isinstance(result.outcome, Done)
        assert isinstance(result.outcome.result, Bound)
        assert result.events == [
            SessionEnded(1, old.session_id, "conflict"),
            ContactUnavailable(1, other.session_id, old.full_jid),
        ]
        rows = world.machine.answer(SessionsOf("alice"))
        assert [(row.resource, row.node_id, row.priority) for row in rows] == [("desk", 1, 0), ("phone", 2, None)]

    def test_an_account_has_so_many_sessions_and_no_more(self, world: World):
        """The bound refuses, except where a resource changes hands."""
        for number in range(ACCOUNT_SESSION_COUNT_MAX):
            world.bind("alice", f"r{number}")
        outcome = world.do(BindSession("alice", "more", NodeId(1), 1)).outcome
        assert isinstance(outcome, Rejected)
        assert (outcome.condition, outcome.kind) == ("resource-constraint", "wait")
        world.bind("alice", "r3")

    @pytest.mark.parametrize(
        ("localpart", "resource", "condition"),
        [("nobody", "r", "item-not-found"), ("alice", "", "bad-request"), ("alice", "x" * 1024, "bad-request")],
    )
    def test_what_cannot_be_bound(self, world: World, localpart: str, resource: str, condition: str):
        """No account, no resource, too long a one."""
        outcome = world.do(BindSession(localpart, resource, NodeId(1), 1)).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == condition


class TestEnd:
    """EndSession."""

    def test_it_is_idempotent_and_fenced(self, world: World):
        """A second end does nothing; another epoch's end leaves the session alone."""
        alice = world.online("alice")
        assert outcomes(world.do(EndSession(alice.session_id, 7))) == ["Stale"]
        assert world.machine.answer(SessionAt("alice", "r")) is not None
        assert alice.end().events == [SessionEnded(1, alice.session_id, "")]
        again = alice.end()
        assert (again.outcome, again.events) == (Done(), [])
        assert world.machine.answer(SessionAt("alice", "r")) is None
        assert [world.count(table) for table in ("session", "progress", "presence")] == [0, 0, 0]


class TestEndByAdministrators:
    """All sessions of an account, or one; machine version 3."""

    def test_one_or_all(self, world: World):
        """By resource that one, else all; contacts see them go, what they owed waits; other accounts go on."""
        world.do(RaiseVersion(VERSION_MAX))
        phone, desk, bob = world.bind("alice"), world.bind("alice", "desk"), world.bind("bob")
        result = world.do(EndSessions("alice", "desk"))
        assert (result.outcome, result.events) == (Done(), [ended(desk)])
        assert world.do(EndSessions("alice")).events == [ended(phone)]
        assert [row.session_id for row in world.machine.answer(SessionsOf("bob"))] == [bob.session_id]

    @pytest.mark.parametrize("action", [EndSessions("alice"), EndSessions("bob", "x"), EndSessions("nobody")])
    def test_nobody_is_there(self, world: World, action: EndSessions):
        """item-not-found, and nothing changes."""
        world.do(RaiseVersion(VERSION_MAX))
        world.bind("bob")
        result = world.do(action)
        assert isinstance(result.outcome, Rejected)
        assert (result.outcome.condition, result.events) == ("item-not-found", [])

    def test_not_before_its_version(self, world: World):
        """A cluster with members of an earlier release refuses it, on all nodes alike."""
        alice = world.bind("alice")
        world.do(RaiseVersion(FEATURES_SINCE - 1))
        assert isinstance(world.do(EndSessions("alice")).outcome, Rejected)
        assert [row.session_id for row in world.machine.answer(SessionsOf("alice"))] == [alice.session_id]


def ended(client: Client) -> SessionEnded:
    return SessionEnded(NodeId(client.node_id), client.session_id, "policy-violation")


class TestMarks:
    """MarkSessions."""

    def progress(self, world: World, session_id: int) -> tuple[int, int]:
        row = world.machine._context.progress.get(session_id)
        assert row is not None
        return row.inbound_count, row.acknowledged

    def test_marks_only_grow(self, world: World):
        """An older mark that comes late takes nothing back; marks of unknown sessions are skipped."""
        alice = world.bind("alice")
        start = self.progress(world, alice.session_id)[1]

        def mark(count: int, position: int, epoch: int = 1, session: int | None = None) -> SessionMark:
            cursor = Cursor(Position(position), Position(position))
            return SessionMark(SessionId(session or alice.session_id), epoch, count, cursor)

        world.do(MarkSessions((mark(3, start + 1, session=77), mark(5, start + 9))))
        assert self.progress(world, alice.session_id) == (5, start + 9)
        assert world.do(MarkSessions((mark(4, start + 3), mark(9, start + 99, epoch=2)))).outcome == Done()
        assert self.progress(world, alice.session_id) == (5, start + 9)

    def test_commands_carry_the_count_too(self, world: World):
        """The number of a command is a count of stanzas handled."""
        alice = world.bind("alice")
        alice.number = 6
        world.do(alice.message("bob"), SessionOrigin(alice.session_id, 1, 7, 0))
        assert self.progress(world, alice.session_id)[0] == 7

    def test_a_command_takes_nothing_back_that_a_mark_said(self, world: World):
        """A mark may have counted stanzas behind the one whose command comes late."""
        alice = world.bind("alice")
        start = Cursor(Position(0), Position(0))
        world.do(MarkSessions((SessionMark(alice.session_id, 1, 9, start),)))
        assert alice.do(alice.message("bob")).outcome == Done()
        assert self.progress(world, alice.session_id)[0] == 9

    def test_an_acknowledgement_of_the_future_is_cut(self, world: World):
        """Nothing after the mark itself can have been delivered before it."""
        alice, bob = world.online("alice"), world.online("bob", managed=True)
        result = bob.acknowledge(1 << 60)
        assert self.progress(world, bob.session_id)[1] == result.position
        alice.send("bob")
        assert world.count("inbox") == 1

    def test_management_is_enabled_once(self, world: World):
        """Idempotent, and fenced by epoch."""
        alice = world.bind("alice")
        assert outcomes(world.do(EnableManagement(alice.session_id, 2))) == ["Stale"]
        assert world.do(EnableManagement(alice.session_id, 1)).outcome == Done()
        before = world.scrub()
        assert world.do(EnableManagement(alice.session_id, 1)).outcome == Done()
        assert world.scrub() == before


def test_sessions_are_found(world: World):
    """SessionsOf and SessionAt tell node, priority and last presence."""
    alice = world.online("alice", "phone", priority=-3)
    row = world.machine.answer(SessionAt("alice", "phone"))
    assert isinstance(row, SessionRow)
    assert (row.session_id, row.node_id, row.priority) == (alice.session_id, 1, -3)
    assert row.presence is not None
    assert alice.full_jid.encode() in row.presence
    assert world.machine.answer(SessionsOf("nobody")) == []
    assert world.machine.answer(SessionAt("alice", "none")) is None
    assert arrivals(alice.send("alice/phone"), alice) != []
