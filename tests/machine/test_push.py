"""Push notifications, as apply decides on them (XEP-0357)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from machine.pushing import (
    ALERTING,
    SERVICE,
    begin,
    detach,
    disable,
    enable,
    phone,
    positions,
    reply,
    resume,
    text,
    waiting,
)
from machine.world import DOMAIN, Client, World, outcomes
from raftline.base.ids import NodeId
from raftline.base.limits import (
    PUSH_BACKOFF_MS_MAX,
    PUSH_FAILURE_COUNT_MAX,
    PUSH_NODE_SIZE_MAX,
    PUSH_NOTIFICATION_AGE_MAX_MS,
    PUSH_OPTIONS_SIZE_MAX,
    PUSH_REGISTRATION_COUNT_MAX,
    PUSH_WAITING_COUNT_MAX,
)
from raftline.machine.commands import CarryOutDue, ChangeBlocklist, DeleteAccount, SetCarbons, SubscriptionKind
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.node_commands import BuryNode, StartNode
from raftline.machine.outcomes import Done, Rejected
from raftline.machine.pruning import ROWS_PER_COMMAND, ROWS_PER_ENTRY
from raftline.machine.push import outbox
from raftline.machine.push.commands import AnswerNotification
from raftline.machine.push.queries import PushServices

OTHER = f"other@{DOMAIN}/app"


@pytest.fixture
def alice(world: World) -> Client:
    """Who writes."""
    return begin(world)[1]


class TestRegistrations:
    """Sections 5 and 6."""

    def test_it_counts_from_its_version_on(self, world: World):
        """Below it the command is one that nobody can read, as for older releases."""
        bob = world.bind("bob")
        assert outcomes(enable(bob)) == ["Rejected"]
        assert world.count("push_registration") == 0

    def test_the_last_request_counts(self, world: World, alice: Client):
        """The same node again gets its new options and belongs to the device that asked; there is one row."""
        first = phone(world)
        tablet = world.online("bob", "tablet")
        enable(tablet, options=b"<x xmlns='jabber:x:data'/>")
        assert world.count("push_registration") == 1
        first.end()
        text(alice)
        assert waiting(world) == []
        tablet.end()
        text(alice)
        assert [row.options for row in waiting(world)] == [b"<x xmlns='jabber:x:data'/>"]

    @pytest.mark.parametrize(
        ("service", "node", "options", "accepted"),
        [
            (SERVICE, "n" * PUSH_NODE_SIZE_MAX, b"o" * PUSH_OPTIONS_SIZE_MAX, True),
            (SERVICE, "n" * (PUSH_NODE_SIZE_MAX + 1), b"", False),
            (SERVICE, "", b"o" * (PUSH_OPTIONS_SIZE_MAX + 1), False),
            ("", "n", b"", False),
            ("s" * 3072, "n", b"", False),
        ],
    )
    def test_sizes(self, world: World, alice: Client, service: str, node: str, options: bytes, accepted: bool):
        """Both sides of each bound."""
        outcome = enable(alice, node, options, service).outcome
        assert (outcome == Done()) is accepted
        if not accepted:
            assert isinstance(outcome, Rejected)
            assert outcome.condition == "not-acceptable"

    def test_count(self, world: World, alice: Client):
        """So many and no more; one that is there may be enabled again, and one that goes makes room."""
        for number in range(PUSH_REGISTRATION_COUNT_MAX):
            assert enable(alice, str(number)).outcome == Done()
        refused = enable(alice, "more").outcome
        assert isinstance(refused, Rejected)
        assert refused.condition == "resource-constraint"
        assert enable(alice, "0").outcome == Done()
        disable(alice, "3")
        assert enable(alice, "more").outcome == Done()

    def test_disable_one_node(self, world: World, alice: Client):
        """Nothing goes to it any more, not even what waits; other nodes are left alone."""
        bob = phone(world)
        enable(bob, "n2")
        detach(bob)
        text(alice)
        assert sorted(row.node for row in waiting(world)) == ["n1", "n2"]
        back = world.bind("bob", "tablet")
        assert disable(back, "n1").outcome == Done()
        assert [row.node for row in waiting(world)] == ["n2"]
        text(alice)
        assert [row.node for row in waiting(world)] == ["n2", "n2"]

    def test_disable_all_nodes(self, world: World, alice: Client):
        """All of a service, none of another; again is as good as once."""
        bob = phone(world)
        enable(bob, "n2")
        enable(bob, "n1", service=OTHER)
        detach(bob)
        text(alice)
        back = world.bind("bob", "tablet")
        for _ in range(2):
            assert disable(back).outcome == Done()
            assert waiting(world) == []
            assert len(waiting(world, OTHER)) == 1

    def test_an_account_that_goes_takes_all_along(self, world: World, alice: Client):
        """Nothing is published from that command on; rows go in steps."""
        bob = phone(world)
        detach(bob)
        count = ROWS_PER_ENTRY + ROWS_PER_COMMAND + 5
        for _ in range(count):
            text(alice, storage=int(Storage.ALERT | Storage.OFFLINE))
        assert world.count("push_notification") == count
        world.do(DeleteAccount("bob"))
        assert waiting(world) == []
        assert world.count("push_registration") == 0
        for _ in range(6):
            world.do(StartNode(NodeId(9), 1))
        assert world.count("push_notification") == 0


class TestWhenADeviceIsAway:
    """Section 7: which events warrant a notification."""

    def test_offline(self, world: World, alice: Client):
        """No session at all."""
        bob = phone(world)
        bob.end()
        sent = text(alice)
        assert positions(world) == [sent]

    def test_connected(self, world: World, alice: Client):
        """The device gets it by its connection."""
        phone(world)
        text(alice)
        assert waiting(world) == []

    def test_waiting_to_be_resumed(self, world: World, alice: Client):
        """Bound and available, but nobody holds the session; once resumed it is connected again."""
        bob = phone(world)
        detach(bob)
        sent = text(alice)
        assert positions(world) == [sent]
        resume(bob)
        text(alice)
        assert positions(world) == [sent]

    def test_a_session_that_is_not_given_it(self, world: World, alice: Client):
        """Not available yet, with a negative priority, or not who it is for; a copy (XEP-0280) is as good as it."""
        bob = world.bind("bob", "phone")
        enable(bob)
        world.online("bob", "desk")
        told = [text(alice)]
        bob.present(-1)
        told.append(text(alice))
        bob.do(SetCarbons(enabled=True))
        text(alice, storage=ALERTING | Storage.COPY)
        told.append(text(alice))
        bob.present(0)
        text(alice)
        told.append(text(alice, "bob/desk"))
        assert positions(world) == told

    def test_the_device_counts_not_the_account(self, world: World, alice: Client):
        """The desk is connected and takes the message; the phone in the pocket rings all the same."""
        phone(world).end()
        world.online("bob", "desk")
        sent = text(alice)
        text(alice, "bob/desk")
        assert positions(world)[0] == sent
        assert len(positions(world)) == 2

    def test_a_device_is_its_resource(self, world: World, alice: Client):
        """Bound anew without enabling anew it is the same device."""
        phone(world).end()
        world.online("bob", "phone")
        text(alice)
        assert waiting(world) == []

    def test_what_does_not_alert(self, world: World, alice: Client):
        """It is decided before the log; apply looks at nothing else."""
        phone(world).end()
        alice.send("bob", storage=ALERTING & ~Storage.ALERT)
        assert waiting(world) == []

    def test_nobody_is_told_of_what_they_sent(self, world: World, alice: Client):
        """Neither of what goes to others, nor of a note to oneself."""
        enable(alice)
        alice.end()
        tablet = world.online("alice", "tablet")
        text(tablet, "bob")
        text(tablet, "alice")
        assert waiting(world) == []

    def test_nobody_is_told_of_who_is_blocked(self, world: World, alice: Client):
        """What a block list keeps away does not come by this way."""
        bob = phone(world)
        bob.do(ChangeBlocklist(blocked=True, addresses=(alice.jid,)))
        bob.end()
        text(alice)
        assert waiting(world) == []

    def test_what_comes_back_to_its_sender_alerts_nobody(self, world: World, alice: Client):
        """It did not arrive, so there is nothing to see."""
        phone(world).end()
        text(alice, storage=int(Storage.ALERT))
        assert waiting(world) == []

    def test_every_registration_of_a_device(self, world: World, alice: Client):
        """One notification each, and none through those of a device that is connected."""
        bob = phone(world)
        enable(bob, "n2", service=OTHER)
        enable(world.online("bob", "tablet"), "n3")
        bob.end()
        sent = text(alice)
        assert [(row.position, row.node) for row in waiting(world)] == [(sent, "n1")]
        assert positions(world, OTHER) == [sent]
        assert world.machine.answer(PushServices()) == (SERVICE, OTHER)

    def test_a_call(self, world: World, alice: Client):
        """A message of type normal or chat alike (XEP-0353)."""
        phone(world).end()
        assert text(alice, kind=MessageKind.NORMAL) in positions(world)


class TestWhatADeadConnectionSwallowed:
    """What was given to a session that then turned out to be dead."""

    def test_unacknowledged_messages_alert_when_the_session_waits(self, world: World, alice: Client):
        """Those that alert and were not acknowledged, each once, with their senders."""
        bob = phone(world)
        seen, missed = text(alice), text(alice)
        alice.send("bob", storage=ALERTING & ~Storage.ALERT)
        bob.acknowledge(seen)
        detach(bob)
        assert [(row.position, row.sender) for row in waiting(world)] == [(missed, alice.full_jid)]

    def test_a_message_is_told_once_however_often_the_session_comes_and_goes(self, world: World, alice: Client):
        """Detached, resumed, detached again: one notification for each message."""
        bob = phone(world)
        first = text(alice)
        detach(bob)
        second = text(alice)
        for _ in range(2):
            resume(bob)
            detach(bob)
        resume(bob)
        third = text(alice)
        detach(bob)
        assert positions(world) == [first, second, third]

    def test_when_a_node_dies(self, world: World, alice: Client):
        """Its burial lets its sessions wait."""
        world.do(StartNode(NodeId(1), 1))
        phone(world)
        missed = text(alice)
        carol = world.online("carol", "desk", node_id=2)
        world.do(BuryNode(NodeId(1), 1), node_id=2)
        later = text(carol)
        assert positions(world) == [missed, later]

    def test_when_a_session_ends_that_cannot_be_resumed(self, world: World, alice: Client):
        """What it owed waits offline, and its device is told."""
        bob = world.online("bob", "phone", managed=True)
        enable(bob)
        missed = text(alice)
        bob.end()
        assert positions(world) == [missed]

    def test_when_its_time_is_over(self, world: World, alice: Client):
        """The end of a session that waited tells nothing twice."""
        bob = phone(world)
        missed = text(alice)
        detach(bob)
        world.time_ms += 61_000
        world.do(CarryOutDue())
        assert positions(world) == [missed]

    def test_a_copy_counts_like_a_message(self, world: World, alice: Client):
        """The phone owed it as a copy of what the desk was given (XEP-0280), but not what the desk sent."""
        bob = phone(world)
        bob.do(SetCarbons(enabled=True))
        desk = world.online("bob", "desk")
        copied = text(alice, "bob/desk", storage=ALERTING | Storage.COPY)
        text(desk, "alice", storage=ALERTING | Storage.COPY)
        detach(bob)
        assert positions(world) == [copied]

    def test_another_device_hears_nothing(self, world: World, alice: Client):
        """The desk's connection was dead, the phone's is not."""
        phone(world)
        desk = world.online("bob", "desk", managed=True)
        text(alice)
        desk.end()
        assert waiting(world) == []


class TestWhatItSays:
    """Section 7: the summary."""

    def test_messages_are_counted_since_the_device_was_last_there(self, world: World, alice: Client):
        """One more each, and from one again once it was there."""
        bob = phone(world)
        bob.end()
        for _ in range(2):
            text(alice)
        assert [row.message_count for row in waiting(world)] == [1, 2]
        world.online("bob", "phone").end()
        text(alice)
        assert [row.message_count for row in waiting(world)] == [1, 2, 1]

    def test_a_resumption_counts_as_being_there(self, world: World, alice: Client):
        """What it missed comes with it."""
        bob = phone(world)
        detach(bob)
        text(alice)
        resume(bob)
        detach(bob)
        text(alice)
        assert [row.message_count for row in waiting(world)] == [1, 1]

    def test_subscription_requests_are_counted(self, world: World, alice: Client):
        """Those that wait for the user."""
        phone(world).end()
        alice.subscription(SubscriptionKind.SUBSCRIBE, f"bob@{DOMAIN}")
        text(alice)
        assert [row.request_count for row in waiting(world)] == [1]

    def test_options_sender_and_message(self, world: World, alice: Client):
        """Options as they were kept, the full JID of the sender, and the message if that is asked for."""
        bob = phone(world)
        enable(bob, options=b"<x xmlns='jabber:x:data'/>")
        bob.end()
        text(alice, body="tea?")
        [row] = waiting(world)
        assert (row.options, row.sender, row.message) == (b"<x xmlns='jabber:x:data'/>", alice.full_jid, None)
        [row] = waiting(world, with_message=True)
        assert b"<body>tea?</body>" in row.message


class TestAnswers:
    """Section 7.1, errors included."""

    @pytest.fixture
    def bob(self, world: World, alice: Client) -> Client:
        """A device that is away."""
        client = phone(world)
        detach(client)
        return client

    def test_a_result_settles(self, world: World, alice: Client, bob: Client):
        """The notification is gone, others wait on; an answer that comes again does nothing."""
        text(alice)
        text(alice)
        first, second = waiting(world)
        for _ in range(2):
            assert reply(world, first).outcome == Done()
            assert waiting(world) == [second]

    def test_only_the_service_can_answer(self, world: World, alice: Client, bob: Client):
        """Somebody else's word is not taken, nor is an answer to nothing."""
        text(alice)
        [row] = waiting(world)
        assert reply(world, row, service=OTHER).outcome == Done()
        assert reply(world, row, "cancel", service=OTHER).outcome == Done()
        assert world.do(AnswerNotification(SERVICE, row.position, 12345)).outcome == Done()
        assert waiting(world) == [row]

    @pytest.mark.parametrize("error_type", ["cancel", "auth", "modify", "continue", "nonsense"])
    def test_an_error_disables(self, world: World, alice: Client, bob: Client, error_type: str):
        """The JID and node are taken as disabled, with all that waits."""
        text(alice)
        text(alice)
        reply(world, waiting(world)[0], error_type)
        assert world.count("push_registration") == world.count("push_notification") == 0
        text(alice)
        assert waiting(world) == []

    def test_a_transient_error_lets_it_rest(self, world: World, alice: Client, bob: Client):
        """Nothing is published before the rest is over, and then the same notification again."""
        text(alice)
        [row] = waiting(world)
        reply(world, row, "wait")
        assert waiting(world) == []
        assert waiting(world, now_ms=world.time_ms + 999) == []
        assert waiting(world, now_ms=world.time_ms + 1_000) == [row]

    def test_errors_of_one_moment_count_once(self, world: World, alice: Client, bob: Client):
        """As many as were under way at once fail of one cause."""
        for _ in range(PUSH_FAILURE_COUNT_MAX):
            text(alice)
        for row in waiting(world):
            reply(world, row, "wait")
        assert len(waiting(world, now_ms=world.time_ms + 1_000)) == PUSH_FAILURE_COUNT_MAX

    def test_each_rest_is_longer_and_too_many_end_it(self, world: World, alice: Client, bob: Client):
        """Twice as long each time up to a bound; the last error that is one too many disables."""
        text(alice)
        [row] = waiting(world)
        rests = []
        for _ in range(PUSH_FAILURE_COUNT_MAX - 1):
            reply(world, row, "wait")
            [registration] = world.machine._context.push.of(row_owner(world))
            rests.append(registration.due_ms - world.time_ms)
            world.time_ms = registration.due_ms
            assert waiting(world) == [row]
        assert rests == [min(1_000 << n, PUSH_BACKOFF_MS_MAX) for n in range(PUSH_FAILURE_COUNT_MAX - 1)]
        assert sum(rests) < PUSH_NOTIFICATION_AGE_MAX_MS
        reply(world, row, "wait")
        assert world.count("push_registration") == 0

    def test_a_result_forgives(self, world: World, alice: Client, bob: Client):
        """Errors count in a row."""
        text(alice)
        for _ in range(PUSH_FAILURE_COUNT_MAX + 1):
            [row] = waiting(world)
            reply(world, row, "wait")
            world.time_ms += 1_000
            text(alice)
            for row in waiting(world):
                reply(world, row)
            text(alice)
        assert world.count("push_registration") == 1

    def test_enabling_again_forgives(self, world: World, alice: Client, bob: Client):
        """Who enables it believes that it works."""
        text(alice)
        [row] = waiting(world)
        reply(world, row, "wait")
        assert waiting(world) == []
        tablet = world.bind("bob", "tablet")
        enable(tablet)
        assert waiting(world) == [row]

    def test_too_old(self, world: World, alice: Client, bob: Client):
        """After a day it is not published any more, and not a millisecond earlier; it counts as an error."""
        text(alice)
        began_ms = world.time_ms
        world.time_ms = began_ms + PUSH_NOTIFICATION_AGE_MAX_MS
        world.do(StartNode(NodeId(9), 1))
        assert len(waiting(world)) == 1
        world.time_ms += 1
        world.do(StartNode(NodeId(9), 1))
        assert world.count("push_notification") == 0
        [registration] = world.machine._context.push.of(row_owner(world))
        assert registration.failure_count == 1

    def test_a_service_that_takes_nothing_is_given_up(self, world: World, alice: Client, bob: Client):
        """So many notifications that grew too old end the registration."""
        for _ in range(PUSH_FAILURE_COUNT_MAX + 3):
            text(alice)
        world.time_ms += PUSH_NOTIFICATION_AGE_MAX_MS + 1
        world.do(StartNode(NodeId(9), 1))
        assert world.count("push_registration") == world.count("push_notification") == 0

    def test_the_oldest_gives_way(self, world: World, alice: Client, bob: Client):
        """So many wait and no more; the latest, which says most, is among them."""
        sent = [text(alice) for _ in range(PUSH_WAITING_COUNT_MAX + 2)]
        assert positions(world) == sent[2:]

    def test_answers_make_room(self, world: World, alice: Client, bob: Client):
        """Only what has no answer counts."""
        sent = [text(alice) for _ in range(PUSH_WAITING_COUNT_MAX)]
        for row in waiting(world)[10:15]:
            reply(world, row)
        sent += [text(alice) for _ in range(5)]
        assert positions(world) == sent[:10] + sent[15:]
        sent.append(text(alice))
        assert positions(world) == sent[1:10] + sent[15:]


class TestReplicas:
    """What one node decides, all do."""

    def test_a_replica_that_starts_anew_comes_to_the_same(self, new_world: Callable[..., World], tmp_path: Path):
        """Whatever is kept in memory is read from the tables again."""
        steady, restarted = new_world(), new_world(tmp_path / "state")
        hashes = []
        for world in (steady, restarted):
            for localpart in ("alice", "bob"):
                world.account(localpart)
            alice = begin(world)[1]
            bob = phone(world)
            text(alice)
            detach(bob)
            text(alice)
            if world is restarted:
                world.reopen(commit=True)
            reply(world, waiting(world)[0], "wait")
            text(alice)
            resume(bob)
            text(alice)
            bob.end()
            world.time_ms += PUSH_NOTIFICATION_AGE_MAX_MS + 1
            text(alice)
            hashes.append((world.machine.state_hash, world.scrub()))
        assert hashes[0] == hashes[1]

    def test_a_command_that_is_undone_tells_nobody(self, world: World, alice: Client, monkeypatch: pytest.MonkeyPatch):
        """Nothing of it is left, in the tables or in memory."""
        phone(world).end()
        with monkeypatch.context() as broken:
            broken.setattr(outbox, "write", Mock(side_effect=RuntimeError))
            assert isinstance(alice.send("bob", storage=ALERTING).outcome, Rejected)
        assert len(world.machine.take_faults()) == 1
        assert waiting(world) == []
        text(alice)
        assert [row.message_count for row in waiting(world)] == [1]

    def test_services_are_listed_page_by_page(self, world: World, alice: Client):
        """Each once, whatever waits for it."""
        bob = phone(world)
        for name in ("c", "a", "b"):
            enable(bob, service=name)
        bob.end()
        text(alice)
        text(alice)
        assert world.machine.answer(PushServices("", 2)) == ("a", "b")
        assert world.machine.answer(PushServices("b", 2)) == ("c", SERVICE)
        assert world.machine.answer(PushServices(SERVICE, 2)) == ()


def row_owner(world: World) -> int:
    """The account that the only registration belongs to."""
    ((account_id,),) = world.machine._database.execute("SELECT account_id FROM push_registration")
    return int(account_id)
