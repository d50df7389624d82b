"""What a number sends (machine/business/sending): a message like any other, with what programs have beside it."""

from __future__ import annotations

import msgspec
import pytest

from machine.business.programs import (
    DIGITS,
    JID,
    ask,
    command,
    open_business,
    send,
    settle_all,
    status_of,
    statuses,
    waiting,
)
from machine.world import DOMAIN, World, arrivals
from raftline.base.business_limits import PROMPT_OPTION_COUNT_MAX
from raftline.base.ids import NodeId
from raftline.machine.business.commands import ChangeNumber, Prompt, SendFromNumber
from raftline.machine.business.queries import MessageOf
from raftline.machine.business.values import Option, Sent
from raftline.machine.commands import ActForNumber, ChangeBlocklist, Command, decode_command, encode_command
from raftline.machine.outcomes import Done, Rejected
from raftline.machine.queries import ArchivePage


class TestMessage:
    """SendFromNumber."""

    def test_arrives_like_any_other(self, world: World):
        """At the devices, in both archives, and its first status waits."""
        open_business(world)
        bob = world.online("bob")
        result = send(world, "bob", opaque="order 7", fingerprint=b"f" * 8)
        assert result.outcome == Done(Sent(result.position, b"f" * 8))
        assert [event.session_id for event in arrivals(result)] == [bob.session_id]
        for owner in (DIGITS, "bob"):
            page = world.machine.answer(ArchivePage(f"{owner}@{DOMAIN}"))
            assert [row.position for row in page.rows] == [result.position]
        (event,) = waiting(world)
        assert statuses([event]) == [("SENT", result.position)]
        assert (event.peer, status_of(event).opaque) == (f"bob@{DOMAIN}", "order 7")

    def test_waits_for_who_is_away(self, world: World):
        """As offline messages do."""
        open_business(world)
        position = send(world, "bob").position
        assert world.count("offline") == 1
        bob = world.bind("bob")
        assert [event.position for event in arrivals(bob.present())] == [position]

    def test_happens_once_under_a_key(self, world: World):
        """The repeat gets the first outcome, whatever it carries."""
        open_business(world)
        world.online("bob")
        first = send(world, "bob", key=b"k" * 16, fingerprint=b"1" * 8)
        again = send(world, "bob", "other", key=b"k" * 16, fingerprint=b"2" * 8)
        assert again.outcome == first.outcome
        assert arrivals(again) == []
        assert len(waiting(world)) == 1

    def test_without_an_id_nothing_is_told(self, world: World):
        """Markers and reactions have no status."""
        open_business(world)
        assert isinstance(send(world, "bob", message_id="").outcome, Done)
        assert waiting(world) == []

    def test_is_known_by_its_position(self, world: World):
        """A program refers to it, and to nothing of others."""
        open_business(world)
        position = send(world, "bob").position
        known = world.machine.answer(MessageOf(DIGITS, position))
        assert (known.peer, known.is_own) == (f"bob@{DOMAIN}", True)
        alice = world.online("alice")
        other = alice.send("bob").position
        assert world.machine.answer(MessageOf(DIGITS, other)) is None

    def test_how_many_options(self):
        """A question has at most so many; more cannot be decoded."""
        options = tuple(Option(str(place), "x") for place in range(PROMPT_OPTION_COUNT_MAX + 1))
        commands = [
            encoded(command("bob", prompt=Prompt(1, options[:count])))
            for count in (PROMPT_OPTION_COUNT_MAX, PROMPT_OPTION_COUNT_MAX + 1)
        ]
        assert [is_readable(data) for data in commands] == [True, False]


class TestRefusals:
    """What a number may not send."""

    def test_who_is_no_number(self, world: World):
        """An account that is none, and a number that was deregistered."""
        ids = open_business(world)
        assert send(world, "bob", localpart="alice").outcome.condition == "item-not-found"
        world.do(ChangeNumber(ids.number_id, "admin", is_registered=False))
        assert send(world, "bob").outcome.condition == "not-allowed"
        assert waiting(world) == []

    def test_whom_it_has_blocked(self, world: World):
        """As XEP-0191 section 3.3 says of everybody."""
        open_business(world)
        world.do(ActForNumber(DIGITS, ChangeBlocklist(True, (f"bob@{DOMAIN}",))))
        outcome = send(world, "bob").outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "not-acceptable"

    @pytest.mark.parametrize("who", ["nobody", "bob"])
    def test_whom_it_cannot_reach(self, world: World, who: str):
        """Somebody who has blocked it looks like somebody who is not there: the message has failed."""
        open_business(world)
        world.online("bob").do(ChangeBlocklist(True, (JID,)))
        result = send(world, who, opaque="x")
        assert isinstance(result.outcome, Done)
        assert statuses(waiting(world)) == [("SENT", result.position), ("FAILED", result.position)]
        failed = status_of(waiting(world)[1])
        assert (failed.error, failed.opaque) == (131026, "x")


class TestPace:
    """Limits of throughput (machine/business/pace)."""

    def test_of_a_number(self, world: World):
        """Its share of a second at once, then as much as time gives back; other numbers are as free as before."""
        ids = open_business(world)
        world.do(ChangeNumber(ids.number_id, "admin", per_second=10))
        outcomes = [send(world, "bob", message_id=f"m{place}").outcome for place in range(11)]
        assert [type(outcome) for outcome in outcomes] == [Done] * 10 + [Rejected]
        assert outcomes[-1].detail == "number"
        world.time_ms += 99
        assert isinstance(send(world, "alice").outcome, Rejected)
        world.time_ms += 1
        assert isinstance(send(world, "alice").outcome, Done)
        assert isinstance(send(world, "alice").outcome, Rejected)

    def test_silence_is_not_saved_up(self, world: World):
        """However long it was, the share is that of a second."""
        ids = open_business(world)
        world.do(ChangeNumber(ids.number_id, "admin", per_second=2))
        send(world, "bob", message_id="m0")
        world.time_ms += 60_000
        outcomes = [send(world, "bob", message_id=f"m{place}").outcome for place in range(3)]
        assert [type(outcome) for outcome in outcomes] == [Done, Done, Rejected]

    def test_a_refusal_costs_nothing(self, world: World):
        """Who is over the limit of a person keeps what it may send to others."""
        ids = open_business(world)
        world.do(ChangeNumber(ids.number_id, "admin", per_second=3, pair_per_minute=1))
        outcomes = [send(world, who).outcome for who in ("bob", "bob", "alice", "carol", "dave")]
        assert [type(outcome) for outcome in outcomes] == [Done, Rejected, Done, Done, Rejected]

    def test_of_a_pair(self, world: World):
        """One person's share says nothing of another's."""
        ids = open_business(world)
        world.do(ChangeNumber(ids.number_id, "admin", pair_per_minute=2))
        outcomes = [send(world, who).outcome for who in ("bob", "bob", "bob", "alice")]
        assert [type(outcome) for outcome in outcomes] == [Done, Done, Rejected, Done]
        assert outcomes[2].detail == "pair"
        world.time_ms += 30_000
        assert isinstance(send(world, "bob").outcome, Done)

    def test_what_has_no_id_is_not_counted(self, world: World):
        """Markers and signs that somebody types."""
        ids = open_business(world)
        world.do(ChangeNumber(ids.number_id, "admin", per_second=1, pair_per_minute=1))
        for _ in range(3):
            assert isinstance(send(world, "bob", message_id="").outcome, Done)
        assert isinstance(send(world, "bob").outcome, Done)

    def test_none_by_default(self, world: World):
        """Then nothing is written either."""
        open_business(world)
        for place in range(50):
            assert isinstance(send(world, "bob", message_id=f"m{place}").outcome, Done)
        assert world.count("business_pace") == 0


def test_a_question_stays_the_last_until_something_else_is_said(world: World):
    """What is typed later is no answer to it (receiving)."""
    open_business(world)
    ask(world, "bob", "Yes", "No")
    settle_all(world)
    send(world, "bob", message_id="later")
    ((is_open,),) = world.machine._context.rows.select(
        (world.machine._context.business.prompts,), "SELECT is_open FROM business_prompt"
    )
    assert is_open == 0


def encoded(action: SendFromNumber) -> bytes:
    return encode_command(Command(NodeId(1), 1, 1, b"", None, action))


def is_readable(data: bytes) -> bool:
    try:
        decode_command(data)
    except msgspec.ValidationError:
        return False
    return True
