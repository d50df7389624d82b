"""Polls and events in the state machine (machine/polls): one choice a member, a count that is always right."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from machine.polls import (
    OPTIONS,
    answer,
    ask,
    ask_in_chat,
    asked,
    asked_in_chat,
    choose,
    close,
    pass_time,
    tally,
    told,
)
from machine.rooms import (
    ROOM,
    change_affiliation,
    configure,
    enter,
    leave,
    open_room,
    raise_version,
    refusal,
)
from machine.world import START_MS, Client, World
from raftline.base.ids import Position
from raftline.base.limits import (
    POLL_DURATION_MAX_MS,
    POLL_NEWS_CROWD_INTERVAL_MS,
    POLL_NEWS_INTERVAL_MS,
    POLL_OPEN_COUNT_MAX,
    POLL_OPTION_COUNT_MAX,
    POLL_OPTION_SIZE_MAX,
    POLL_PAGE_ROW_COUNT_MAX,
    POLL_TITLE_SIZE_MAX,
)
from raftline.machine.commands import SINCE_VERSION, ChangeBlocklist
from raftline.machine.message_commands import SendPoll
from raftline.machine.outcomes import Done, Rejected
from raftline.machine.polls import choosing, telling
from raftline.machine.polls.commands import POLL_ACTIONS, Choose
from raftline.machine.polls.events import TallyPage
from raftline.machine.polls.tables import CLOSED, OPEN, OVER
from raftline.machine.polls.terms import ANSWERS, QuestionKind
from raftline.machine.rooms.ranks import Affiliation

MINUTE_MS = 60_000


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
    client = world.online("bob", node_id=2)
    enter(client, "b")
    return client


def detail(result: Rejected | object) -> str:
    """The application's own condition of a refusal."""
    assert isinstance(result, Rejected)
    return result.detail.partition("}")[2]


class TestTerms:
    """What may be asked; both sides of each limit."""

    @pytest.mark.parametrize("count", [2, POLL_OPTION_COUNT_MAX])
    def test_so_many_options(self, alice: Client, count: int) -> None:
        """From two to twelve."""
        position = ask(alice, options=tuple(map(str, range(count))))
        assert tally(alice, position).counts == (0,) * count

    @pytest.mark.parametrize(
        ("changes", "condition", "reason"),
        [
            ({"options": ("alone",)}, "bad-request", "too-few-options"),
            ({"options": tuple(map(str, range(POLL_OPTION_COUNT_MAX + 1)))}, "policy-violation", "too-many-options"),
            ({"options": ("a", "a")}, "bad-request", "same-options"),
            ({"options": ("a", " ")}, "bad-request", "no-text"),
            ({"title": ""}, "bad-request", "no-text"),
            ({"title": "x" * (POLL_TITLE_SIZE_MAX + 1)}, "policy-violation", "too-long"),
            ({"options": ("a", "x" * (POLL_OPTION_SIZE_MAX + 1))}, "policy-violation", "too-long"),
            ({"message_id": "x" * (POLL_TITLE_SIZE_MAX + 1)}, "policy-violation", "too-long"),
            ({"choice_count_max": 0}, "bad-request", "bad-choice-count"),
            ({"choice_count_max": 4}, "bad-request", "bad-choice-count"),
            ({"closes_ms": START_MS}, "not-acceptable", "bad-end"),
            ({"closes_ms": START_MS + POLL_DURATION_MAX_MS + 1}, "not-acceptable", "bad-end"),
        ],
    )
    def test_refused(
        self, world: World, alice: Client, changes: dict[str, object], condition: str, reason: str
    ) -> None:
        """A condition and a reason of its own; nothing is said in the room."""
        result = asked(alice, **changes)
        assert (refusal(result)[0], detail(result.outcome), result.events) == (condition, reason, [])
        assert asked_in_chat(alice, "bob", **changes).outcome == result.outcome
        assert world.count("poll") == world.count("message") == 0

    @pytest.mark.parametrize(
        "changes",
        [
            {"title": "x" * POLL_TITLE_SIZE_MAX},
            {"message_id": "x" * POLL_TITLE_SIZE_MAX},
            {"options": ("a", "x" * POLL_OPTION_SIZE_MAX)},
            {"choice_count_max": 3},
            {"closes_ms": START_MS + POLL_DURATION_MAX_MS},
            {"closes_ms": START_MS + 1},
        ],
    )
    def test_just_allowed(self, alice: Client, changes: dict[str, object]) -> None:
        """The other side of those limits."""
        assert asked(alice, **changes).outcome == Done()

    def test_too_many_open(self, world: World, alice: Client) -> None:
        """Of one conversation; an end makes room, and other conversations have their own."""
        first = ask(alice)
        for _ in range(POLL_OPEN_COUNT_MAX - 1):
            ask(alice)
        assert refusal(asked(alice)) == ("resource-constraint", "wait")
        assert asked_in_chat(alice, "bob").outcome == Done()
        close(alice, first)
        assert asked(alice).outcome == Done()
        assert world.machine.take_faults() == []


class TestAsking:
    """A question begins with its message."""

    def test_where_nothing_is_kept(self, world: World, alice: Client) -> None:
        """It could not be named later, so it is refused: a message that nobody is to keep, a room without archive."""
        assert refusal(asked(alice, extra={"kept": False})) == ("not-acceptable", "modify")
        configure(alice, archived=False)
        assert refusal(asked(alice)) == ("not-acceptable", "modify")
        assert world.count("poll") == 0

    def test_by_somebody_outside(self, world: World, alice: Client) -> None:
        """Who is not in the room asks nothing there; a room that is not there has no questions."""
        carol = world.bind("carol")
        assert refusal(asked(carol)) == ("not-acceptable", "modify")
        assert refusal(asked(carol, room="nowhere")) == ("item-not-found", "cancel")

    def test_twice_under_an_origin_id(self, world: World, alice: Client, bob: Client) -> None:
        """The second is the first: one question, in a room and in a chat."""
        origin = {"origin_id": "o", "fingerprint": b"f"}
        for _ in range(2):
            assert asked(alice, extra=origin).outcome == Done()
            assert asked_in_chat(alice, "bob", extra=origin).outcome == Done()
        assert world.count("poll") == 2

    def test_to_nobody(self, world: World, alice: Client) -> None:
        """A message that comes back asks nothing: no such account, or one that has blocked who asks."""
        assert asked_in_chat(alice, "nobody").outcome == Done()
        bob = world.bind("bob")
        bob.do(ChangeBlocklist(True, (alice.jid,)))
        assert asked_in_chat(alice, "bob").outcome == Done()
        assert world.count("poll") == 0

    def test_before_the_version(self, new_world: Callable[..., World]) -> None:
        """Members of an older release do not know it, so nobody does."""
        old = new_world()
        old.account("alice")
        alice = old.bind("alice")
        assert refusal(asked_in_chat(alice, "alice"))[0] == "bad-request"
        assert all(SINCE_VERSION[action] == 3 for action in (SendPoll, *POLL_ACTIONS))


class TestOneVote:
    """Exactly one counted vote of each account: its last before the end, in the order of the log."""

    def test_the_last_counts(self, alice: Client, bob: Client) -> None:
        """A later vote takes the place of the earlier one; none at all takes it back."""
        position = ask(alice)
        for option, counts in ((1, (1, 0, 0)), (2, (0, 1, 0)), (2, (0, 1, 0)), (3, (0, 0, 1))):
            assert choose(bob, position, option).outcome == Done()
            assert (tally(alice, position).counts, tally(alice, position).voter_count) == (counts, 1)
        assert tally(bob, position).chosen == (3,)
        assert tally(alice, position).chosen == ()
        assert choose(bob, position).outcome == Done()
        assert (tally(bob, position).counts, tally(bob, position).voter_count) == ((0, 0, 0), 0)

    def test_devices_of_one_account(self, world: World, alice: Client, bob: Client) -> None:
        """They are one voter, in the room under whatever nickname or not in it."""
        position = ask(alice)
        desk = world.online("bob", "desk")
        change_affiliation(alice, "bob", Affiliation.MEMBER)
        choose(bob, position, 1)
        choose(desk, position, 2)
        assert (tally(alice, position).counts, tally(alice, position).voter_count) == ((0, 1, 0), 1)

    def test_several_choices(self, alice: Client, bob: Client) -> None:
        """As many as the poll allows; the same option twice is one."""
        position = ask(alice, choice_count_max=2)
        assert choose(bob, position, 1, 3, 3).outcome == Done()
        assert (tally(bob, position).counts, tally(bob, position).voter_count) == ((1, 0, 1), 1)
        refused = choose(bob, position, 1, 2, 3)
        assert (refusal(refused)[0], detail(refused.outcome)) == ("not-acceptable", "too-many-choices")
        assert tally(bob, position).chosen == (1, 3)

    @pytest.mark.parametrize("option", [0, 4, 1 << 40])
    def test_unknown_option(self, alice: Client, option: int) -> None:
        """There is none of this number."""
        position = ask(alice)
        refused = choose(alice, position, option)
        assert (refusal(refused)[0], detail(refused.outcome)) == ("item-not-found", "unknown-option")
        assert tally(alice, position).voter_count == 0

    def test_a_retry_counts_once(self, world: World, alice: Client, bob: Client) -> None:
        """The same command twice, as after an unknown outcome."""
        position = ask(alice)
        command = world.command(Choose(ROOM, position, (1,)), bob.origin(), node_id=2)
        world.apply(command)
        choose(bob, position, 2)
        world.apply(command)
        assert tally(alice, position).counts == (0, 1, 0)

    def test_whatever_comes(self, world: World, alice: Client, bob: Client) -> None:
        """Many votes in a random order: the count is that of everyone's last one."""
        draw = random.Random(6)
        names = [f"voter{number}" for number in range(12)]
        position = ask(alice, choice_count_max=2)
        clients = []
        for name in names:
            world.account(name)
            clients.append(world.bind(name))
            change_affiliation(alice, name, Affiliation.MEMBER)
        last: dict[str, set[int]] = {}
        for _ in range(200):
            client = draw.choice(clients)
            options = set(draw.sample((1, 2, 3), draw.randrange(3)))
            assert choose(client, position, *options).outcome == Done()
            last[client.localpart] = options
        found = tally(bob, position)
        assert found.counts == tuple(sum(number in options for options in last.values()) for number in (1, 2, 3))
        assert found.voter_count == sum(map(bool, last.values())) == world.count("poll_vote")
        assert world.machine.take_faults() == []


class TestWhoVotes:
    """Members of the room and who is in it; in a chat the two alone."""

    def test_who_takes_part(self, world: World, alice: Client, bob: Client) -> None:
        """Members who are away, and who is in the room; nobody else, and nobody who is banned."""
        position = ask(alice)
        carol = world.bind("carol")
        assert refusal(choose(carol, position, 1)) == ("forbidden", "auth")
        assert isinstance(answer(carol, position=position), Rejected)
        change_affiliation(alice, "carol", Affiliation.MEMBER)
        assert choose(carol, position, 1).outcome == Done()
        leave(bob)
        assert refusal(choose(bob, position, 1)) == ("forbidden", "auth")
        enter(bob, "b")
        assert choose(bob, position, 1).outcome == Done()
        change_affiliation(alice, "bob", Affiliation.OUTCAST)
        assert refusal(choose(bob, position, 2)) == ("forbidden", "auth")
        assert tally(alice, position).counts == (2, 0, 0)

    def test_the_two_of_a_chat(self, world: World, alice: Client, bob: Client) -> None:
        """To others it looks as if there were nothing."""
        position = ask_in_chat(alice, "bob")
        for client, option in ((alice, 1), (bob, 2)):
            assert choose(client, position, option, room="").outcome == Done()
        carol = world.bind("carol")
        assert refusal(choose(carol, position, 1, room="")) == ("item-not-found", "cancel")
        assert tally(bob, position, room="").counts == (1, 1, 0)

    def test_with_oneself(self, alice: Client) -> None:
        """A chat with oneself has one voter."""
        position = ask_in_chat(alice, "alice")
        choose(alice, position, 1, room="")
        assert tally(alice, position, room="").voter_count == 1

    @pytest.mark.parametrize("who", ["alice", "bob"])
    def test_blocked(self, world: World, alice: Client, bob: Client, who: str) -> None:
        """While either has blocked the other nobody votes, asks or is told; what counted before stays."""
        position = ask_in_chat(alice, "bob")
        choose(bob, position, 1, room="")
        blocker, other = (alice, bob) if who == "alice" else (bob, alice)
        blocker.do(ChangeBlocklist(True, (other.jid,)))
        assert refusal(choose(blocker, position, 2, room="")) == ("not-acceptable", "cancel")
        assert refusal(choose(other, position, 2, room="")) == ("service-unavailable", "cancel")
        assert isinstance(answer(other, position=position, room=""), Rejected)
        assert pass_time(world, 60).events == []
        blocker.do(ChangeBlocklist(False, (other.jid,)))
        assert tally(other, position, room="").counts == (1, 0, 0)

    @pytest.mark.parametrize("room", ["", "other"])
    def test_elsewhere(self, alice: Client, room: str) -> None:
        """A question is found where it was asked and nowhere else."""
        in_room, in_chat = ask(alice), ask_in_chat(alice, "bob")
        enter(alice, "a", room="other")
        assert refusal(choose(alice, in_room, 1, room=room)) == ("item-not-found", "cancel")
        assert refusal(choose(alice, in_chat, 1)) == ("item-not-found", "cancel")
        assert refusal(choose(alice, Position(7), 1)) == ("item-not-found", "cancel")

    def test_too_many(self, monkeypatch: pytest.MonkeyPatch, alice: Client, bob: Client) -> None:
        """A full count takes no further account, though who is counted may think again."""
        monkeypatch.setattr(choosing, "POLL_VOTER_COUNT_MAX", 1)
        position = ask(alice)
        choose(bob, position, 1)
        assert refusal(choose(alice, position, 1)) == ("resource-constraint", "cancel")
        assert choose(bob, position, 2).outcome == Done()


class TestEnd:
    """The end of a question: by hand, and by cluster time."""

    def test_by_hand(self, world: World, alice: Client, bob: Client) -> None:
        """By its author or a moderator, nobody else; all are told at once; a second time is none."""
        position = ask(bob)
        choose(bob, position, 1)
        carol = world.online("carol")
        enter(carol, "c")
        assert refusal(close(carol, position)) == ("forbidden", "auth")
        result = close(alice, position)
        assert [told(result, client) for client in (alice, bob, carol)] == [[(1, 0, 0)]] * 3
        assert close(bob, position).events == []
        assert tally(bob, position).state == CLOSED
        refused = choose(bob, position, 2)
        assert (refusal(refused)[0], detail(refused.outcome)) == ("not-allowed", "closed")
        assert close(bob, ask(bob)).outcome == Done()

    def test_by_time(self, world: World, alice: Client, bob: Client) -> None:
        """To the millisecond: the vote before counts, the one at it does not, carried out yet or not."""
        position = ask(alice, closes_ms=world.time_ms + MINUTE_MS)
        world.time_ms += MINUTE_MS - 1
        assert choose(bob, position, 1).outcome == Done()
        world.time_ms += 1
        assert refusal(choose(bob, position, 2))[0] == "not-allowed"
        assert tally(bob, position).state == OVER
        assert told(pass_time(world, 0), bob) == [(1, 0, 0)]
        assert tally(bob, position).state == OVER
        assert pass_time(world, 60).events == []

    def test_in_a_chat(self, alice: Client, bob: Client) -> None:
        """Whoever asked ends it."""
        position = ask_in_chat(alice, "bob")
        assert refusal(close(bob, position, room="")) == ("forbidden", "auth")
        assert close(alice, position, room="").outcome == Done()
        assert tally(bob, position, room="").state == CLOSED


class TestNews:
    """Who is there is told the count, not more often than anyone can look."""

    def test_coalesced(self, world: World, alice: Client, bob: Client) -> None:
        """However many votes come within the interval, one telling; then the next interval begins with the next."""
        position = ask(alice)
        for option in (1, 2, 3, 1):
            assert choose(bob, position, option).events == []
            choose(alice, position, option)
        interval_s = POLL_NEWS_INTERVAL_MS / 1000
        assert pass_time(world, interval_s - 0.001).events == []
        result = pass_time(world, 0.001)
        assert told(result, alice) == told(result, bob) == [(2, 0, 0)]
        assert pass_time(world, 60).events == []
        choose(bob, position, 2)
        assert told(pass_time(world, interval_s), bob) == [(1, 1, 0)]

    def test_a_vote_that_changes_nothing(self, world: World, alice: Client) -> None:
        """It is not told."""
        position = ask(alice)
        choose(alice, position, 1)
        pass_time(world, 60)
        choose(alice, position, 1)
        assert pass_time(world, 60).events == []

    def test_in_a_crowd(self, monkeypatch: pytest.MonkeyPatch, world: World, alice: Client, bob: Client) -> None:
        """There it is told less often."""
        monkeypatch.setattr(telling, "ROOM_STATE_AUDIENCE_MAX", 1)
        position = ask(alice)
        choose(bob, position, 1)
        assert pass_time(world, POLL_NEWS_INTERVAL_MS / 1000).events == []
        later_s = (POLL_NEWS_CROWD_INTERVAL_MS - POLL_NEWS_INTERVAL_MS) / 1000
        assert told(pass_time(world, later_s), bob) == [(1, 0, 0)]

    def test_both_sides_of_a_chat(self, world: World, alice: Client, bob: Client) -> None:
        """Each available device of the two, with the other one's address; with oneself once."""
        position = ask_in_chat(alice, "bob")
        away = world.bind("bob", "away")
        choose(bob, position, 1, room="")
        result = pass_time(world, 60)
        assert [(event.address, event.session_ids) for event in result.events] == [
            (bob.jid, (alice.session_id,)),
            (alice.jid, (bob.session_id,)),
        ]
        assert told(result, away) == []
        choose(alice, ask_in_chat(alice, "alice"), 1, room="")
        assert len(pass_time(world, 60).events) == 1


class TestAnswers:
    """What may be asked about questions."""

    def test_pages(self, alice: Client, bob: Client) -> None:
        """The last ones unless told otherwise, in log order; events are not polls."""
        positions = [ask(alice, title=str(number)) for number in range(5)]
        ask(alice, kind=QuestionKind.EVENT, options=ANSWERS)
        ask_in_chat(alice, "bob")

        def found(**fields: object) -> tuple[list[Position], int, int]:
            page = answer(bob, **fields)
            assert isinstance(page, TallyPage)
            return [shown.position for shown in page.tallies], page.total, page.offset

        assert found() == (positions, 5, 0)
        assert found(limit=2) == (positions[3:], 5, 3)
        assert found(limit=2, before=positions[3]) == (positions[1:3], 5, 1)
        assert found(limit=2, after=positions[0], backward=False) == (positions[1:3], 5, 1)
        assert found(after=positions[4]) == ([], 5, 0)
        assert len(found(kind=QuestionKind.EVENT)[0]) == 1
        assert len(found(partner="alice")[0]) == 1
        assert isinstance(answer(bob, position=positions[0], kind=QuestionKind.EVENT), Rejected)

    def test_a_page_ends(self, monkeypatch: pytest.MonkeyPatch, alice: Client) -> None:
        """At its limit, whatever was asked for."""
        for _ in range(POLL_PAGE_ROW_COUNT_MAX + 1):
            close(alice, ask(alice))
        page = answer(alice, limit=1000)
        assert isinstance(page, TallyPage)
        assert (len(page.tallies), page.total) == (POLL_PAGE_ROW_COUNT_MAX, POLL_PAGE_ROW_COUNT_MAX + 1)

    def test_who_chose_what(self, alice: Client, bob: Client) -> None:
        """In the order of their votes; addresses for those who see them, occupant ids for all."""
        position = ask(alice, choice_count_max=2)
        choose(bob, position, 1, 3)
        alice.world.time_ms += 1
        choose(alice, position, 2)
        seen = answer(alice, position=position, names_voters=True)
        assert isinstance(seen, TallyPage)
        assert [(voter.jid, voter.options) for voter in seen.voters] == [(bob.jid, (1, 3)), (alice.jid, (2,))]
        other = answer(bob, position=position, names_voters=True)
        assert isinstance(other, TallyPage)
        assert [(voter.jid, voter.occupant_id) for voter in other.voters] == [
            ("", voter.occupant_id) for voter in seen.voters
        ]
        assert all(voter.occupant_id for voter in seen.voters)
        configure(alice, non_anonymous=True)
        assert answer(bob, position=position, names_voters=True) == seen._replace(tallies=[tally(bob, position)])

    def test_anonymous(self, alice: Client, bob: Client) -> None:
        """Nobody is told who chose what, the author neither; everyone knows their own choice."""
        position = ask(alice, is_anonymous=True)
        choose(bob, position, 1)
        page = answer(alice, position=position, names_voters=True)
        assert isinstance(page, TallyPage)
        assert (page.voters, page.tallies[0].counts) == ([], (1, 0, 0))
        assert tally(bob, position).chosen == (1,)

    def test_of_nobody(self, world: World, alice: Client) -> None:
        """A contact who is not there has asked nothing; a session that is over asks nothing."""
        assert isinstance(answer(alice, partner="nobody"), Rejected)
        carol = world.bind("carol")
        carol.end()
        assert isinstance(answer(carol, partner="alice"), Rejected)


class TestEvents:
    """An event is a question whose options are yes, no and maybe."""

    def test_answers(self, world: World, alice: Client, bob: Client) -> None:
        """Answered, answered anew, over by its time."""
        kind = QuestionKind.EVENT
        position = ask(alice, kind=kind, options=ANSWERS, closes_ms=world.time_ms + MINUTE_MS)
        choose(bob, position, 3, kind=kind)
        choose(bob, position, 1, kind=kind)
        choose(alice, position, 2, kind=kind)
        found = tally(alice, position, kind=kind)
        assert (found.counts, found.state, found.terms.options) == ((1, 1, 0), OPEN, ANSWERS)
        assert told(pass_time(world, 60), bob) == [(1, 1, 0)]
        assert refusal(choose(bob, position, 1, kind=kind))[0] == "not-allowed"

    def test_taken_for_the_other(self, alice: Client) -> None:
        """What is said of polls finds no event, and the other way round."""
        poll, event = ask(alice), ask(alice, kind=QuestionKind.EVENT, options=ANSWERS)
        for position, kind in ((poll, QuestionKind.EVENT), (event, QuestionKind.POLL)):
            assert refusal(choose(alice, position, 1, kind=kind)) == ("item-not-found", "cancel")
            assert refusal(close(alice, position, kind=kind)) == ("item-not-found", "cancel")


def test_equal_after_a_restart(new_world: Callable[..., World], tmp_path: Path) -> None:
    """A replica that applies the log again, from its last commit or from nothing, comes to the same rows and hash."""
    world = new_world(tmp_path / "state.db")
    for name in ("alice", "bob"):
        world.account(name)
    raise_version(world)
    alice, bob = world.online("alice"), world.online("bob")
    open_room(alice)
    enter(bob, "b")
    position = ask(alice, options=OPTIONS, closes_ms=world.time_ms + MINUTE_MS)
    choose(bob, position, 1)
    world.machine.commit()
    choose(bob, position, 2)
    choose(alice, position, 3)
    pass_time(world, 60)
    before = (world.machine.state_hash, world.scrub(), tally(bob, position))
    assert world.reopen(commit=False) > 0
    assert (world.machine.state_hash, world.scrub(), tally(bob, position)) == before
