"""Components (XEP-0114) as replicated state: who holds one, what waits for it, messages both ways."""

from __future__ import annotations

from typing import Any

import pytest

from machine.components import ALL, HOST, LABEL, PUPPET, Connection, connect, write
from machine.world import DOMAIN, World, arrivals, outcomes
from raftline.base.ids import CURSOR_START, NodeId, Position
from raftline.base.limits import COMPONENT_LABEL_SIZE_MAX
from raftline.machine.commands import ChangeBlocklist, SetCarbons
from raftline.machine.components.commands import ConnectComponent, SendFromComponent
from raftline.machine.components.queries import ComponentAt
from raftline.machine.history.commands import Retraction
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.node_commands import BuryNode, StartNode
from raftline.machine.outcomes import CarbonCopied, Done, MessageBounced, Rejected, SessionEnded
from raftline.machine.queries import ArchivePage, InboxPage, Page

ALICE = f"alice@{DOMAIN}"


def bounced(result: Any) -> list[tuple[int, str, str]]:
    """Session, condition and type of each message that came back."""
    return [(e.session_id, e.condition, e.kind) for e in result.events if isinstance(e, MessageBounced)]


def bodies(result: Any, session: Any) -> list[bytes]:
    """What a session was given."""
    return [event.stanza.split(b"<body>")[1].split(b"</body>")[0] for event in arrivals(result, session)]


class TestConnecting:
    """Which node holds a component."""

    def test_a_second_connection_conflicts(self, world: World):
        """While one connection is held, another is refused, on the same node and on others."""
        first = Connection(world)
        for node_id in (1, 2):
            assert connect(world, node_id=node_id).outcome == Rejected(
                "conflict", "cancel", "The component is connected already."
            )
        row = world.machine.answer(ComponentAt(LABEL))
        assert (row.session_id, row.node_id) == (first.session_id, 1)  # type: ignore[union-attr]

    def test_it_is_free_after_its_end(self, world: World):
        """Ended by its node, it can be connected elsewhere, under a session of its own."""
        first = Connection(world)
        first.end()
        assert world.machine.answer(ComponentAt(LABEL)) is None
        assert Connection(world, node_id=2).session_id != first.session_id

    def test_a_dead_node_holds_nothing(self, world: World):
        """The burial of its node, or that node's next life, frees it; the old connection hears `reset`."""
        first = Connection(world)
        result = world.do(BuryNode(NodeId(1), 1))
        assert SessionEnded(NodeId(1), first.session_id, "reset") in result.events
        second = Connection(world, node_id=2)
        world.do(StartNode(NodeId(2), 2))
        assert world.machine.answer(ComponentAt(LABEL)) is None
        assert second.say("alice").outcome.__class__.__name__ == "Stale"

    def test_a_life_that_is_over_takes_none(self, world: World):
        """A command of a buried incarnation comes too late."""
        world.do(BuryNode(NodeId(1), 1))
        assert outcomes(connect(world, incarnation=1)) == ["Stale"]

    @pytest.mark.parametrize("label", ["", "a.b", "a@b", "a/b", "x" * (COMPONENT_LABEL_SIZE_MAX + 1)])
    def test_what_cannot_be_a_label_is_refused(self, world: World, label: str):
        """One label of a domain name, of at most 63 bytes."""
        outcome = connect(world, label).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "bad-request"

    def test_labels_of_the_greatest_size_connect(self, world: World):
        """63 bytes are one label."""
        Connection(world, "x" * COMPONENT_LABEL_SIZE_MAX)

    def test_there_are_at_most_so_many(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """The last that fits connects, the next is refused, and one that is known always comes back."""
        monkeypatch.setattr("raftline.machine.components.connections.COMPONENT_COUNT_MAX", 2)
        Connection(world, "one").end()
        Connection(world, "two")
        outcome = connect(world, "three").outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "resource-constraint"
        Connection(world, "one")

    def test_older_members_refuse_it(self, world: World):
        """Below machine version 3 the command counts as one that nobody can read."""
        outcome = world.do(ConnectComponent(LABEL, NodeId(1), 1)).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "bad-request"
        assert world.count("component") == 0


class TestMessagesToComponents:
    """What users send."""

    def test_a_connected_component_is_given_it(self, world: World):
        """It goes to the connection, is owed until acknowledged, and is in the sender's archive under the address."""
        component, alice = Connection(world, node_id=2), world.online("alice")
        result = write(alice)
        assert [(e.node_id, e.owner) for e in arrivals(result, component)] == [(2, "")]
        page = world.machine.answer(ArchivePage("alice", contact=PUPPET, limit=10))
        assert isinstance(page, Page)
        assert [row.position for row in page.rows] == [result.position]
        assert world.count("inbox") == 1
        component.acknowledge(result.position)
        assert (world.count("inbox"), world.count("message")) == (0, 1)

    def test_unarchived_messages_go_with_their_acknowledgement(self, world: World):
        """What nobody archives lives as long as it is owed."""
        component, alice = Connection(world), world.online("alice")
        result = write(alice, storage=int(Storage.OFFLINE))
        assert world.count("message") == 1
        component.acknowledge(result.position)
        assert world.count("message") == 0

    def test_what_was_not_acknowledged_comes_again(self, world: World):
        """A connection that is lost leaves what it owes to the next, late, in order, at the same positions."""
        first, alice = Connection(world), world.online("alice")
        sent = [write(alice, body=str(number)) for number in range(3)]
        first.acknowledge(sent[0].position)
        world.do(BuryNode(NodeId(1), 1))
        sent.append(world_write(world, "3"))
        second = Connection(world, node_id=2)
        assert bodies(second.connected, second) == [b"1", b"2", b"3"]
        assert [e.position for e in arrivals(second.connected, second)] == [r.position for r in sent[1:]]
        assert all(e.delayed_ms is not None for e in arrivals(second.connected, second))
        events = world.machine.answer(InboxPage(second.session_id, CURSOR_START, 10))
        assert [event.stanza for event in events] == [  # type: ignore[union-attr]
            e.stanza for e in arrivals(second.connected, second)
        ]

    def test_while_it_is_away_it_waits(self, world: World):
        """Messages queue for a component that is known; errors and headlines do not."""
        Connection(world).end()
        alice = world.online("alice")
        assert bounced(write(alice, body="kept")) == []
        for kind in (MessageKind.ERROR, MessageKind.HEADLINE):
            assert bounced(write(alice, body="lost", kind=int(kind), storage=0)) == []
        second = Connection(world)
        assert bodies(second.connected, second) == [b"kept"]

    def test_one_that_was_never_connected_takes_nothing(self, world: World):
        """Nobody knows whether it ever will be: `service-unavailable`."""
        Connection(world)
        alice = world.online("alice")
        assert bounced(write(alice, f"x@other.{DOMAIN}")) == [(alice.session_id, "service-unavailable", "cancel")]

    @pytest.mark.parametrize("connected", [True, False])
    def test_the_queue_is_bounded(self, world: World, monkeypatch: pytest.MonkeyPatch, *, connected: bool):
        """The last that fits is taken; the next comes back with `resource-constraint`, to be tried again."""
        monkeypatch.setattr("raftline.machine.components.messages.COMPONENT_QUEUE_COUNT_MAX", 2)
        component, alice = Connection(world), world.online("alice")
        if not connected:
            component.end()
        assert bounced(write(alice)) == bounced(write(alice)) == []
        assert bounced(write(alice, origin_id="o", fingerprint=b"f")) == [
            (alice.session_id, "resource-constraint", "wait")
        ]
        assert bounced(write(alice, kind=int(MessageKind.ERROR), storage=0)) == []
        second = component if connected else Connection(world)
        second.acknowledge(2**40)
        assert arrivals(write(alice, origin_id="o", fingerprint=b"f"), second)

    def test_the_sender_has_blocked_it(self, world: World):
        """Nothing goes to an address that its sender has blocked, by address or by domain (XEP-0191 section 3.3)."""
        Connection(world)
        alice = world.online("alice")
        alice.do(ChangeBlocklist(blocked=True, addresses=(HOST,)))
        outcome = write(alice).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "not-acceptable"

    def test_its_devices_get_copies(self, world: World):
        """Carbons of what one device writes to a component (XEP-0280 section 8)."""
        Connection(world)
        phone, desk = world.online("alice", "phone"), world.online("alice", "desk")
        desk.do(SetCarbons(enabled=True))
        [copy] = [event for event in write(phone).events if isinstance(event, CarbonCopied)]
        assert (copy.session_id, copy.direction, copy.owner) == (desk.session_id, "sent", ALICE)

    def test_the_same_message_counts_once(self, world: World):
        """A client that sends again under its origin id after it lost its session is recognised."""
        component, alice = Connection(world), world.online("alice")
        assert arrivals(write(alice, origin_id="o", fingerprint=b"f"), component)
        again = world.online("alice", "other")
        assert not arrivals(write(again, origin_id="o", fingerprint=b"f"), component)
        assert arrivals(write(again, f"carol@{HOST}", origin_id="o", fingerprint=b"f"), component)


class TestMessagesFromComponents:
    """What components send."""

    def test_it_is_archived_under_the_address_of_its_sender(self, world: World):
        """All of what is done for a chat message is done: delivery, archive, stanza id."""
        component, bob = Connection(world), world.online("bob")
        result = component.say("bob", sender=f"{PUPPET}/phone")
        assert [event.owner for event in arrivals(result, bob)] == [bob.jid]
        page = world.machine.answer(ArchivePage("bob", contact=PUPPET, limit=10))
        assert isinstance(page, Page)
        assert [row.position for row in page.rows] == [result.position]
        others = world.machine.answer(ArchivePage("bob", contact=bob.jid, limit=10))
        assert isinstance(others, Page)
        assert others.rows == []

    def test_it_waits_for_who_is_away(self, world: World):
        """Offline messages (XEP-0160), and copies for devices that were not given it (XEP-0280 section 7)."""
        component = Connection(world)
        component.say("bob", "later")
        bob = world.bind("bob")
        assert bodies(bob.present(), bob) == [b"later"]
        desk = world.online("bob", "desk", priority=-1)
        desk.do(SetCarbons(enabled=True))
        [copy] = [event for event in component.say("bob").events if isinstance(event, CarbonCopied)]
        assert (copy.session_id, copy.direction) == (desk.session_id, "received")

    @pytest.mark.parametrize("address", [PUPPET, HOST, f"{PUPPET}/phone", f"irc.{DOMAIN}"])
    def test_who_blocks_it_hears_nothing(self, world: World, address: str):
        """The component gets the error of an account that is not there (XEP-0191 section 3.3)."""
        component, alice = Connection(world), world.online("alice")
        alice.do(ChangeBlocklist(blocked=True, addresses=(address,)))
        result = component.say("alice", sender=f"{PUPPET}/phone")
        assert not arrivals(result, alice)
        assert bounced(result) == [(component.session_id, "service-unavailable", "cancel")]

    def test_to_nobody_it_comes_back(self, world: World):
        """An account that does not exist; and never for an error."""
        component = Connection(world)
        assert bounced(component.say("nobody")) == [(component.session_id, "service-unavailable", "cancel")]
        assert bounced(component.say("nobody", kind=int(MessageKind.ERROR))) == []

    def test_accounts_of_the_same_name_are_others(self, world: World):
        """`bob@irc.DOMAIN` writes to `bob@DOMAIN` as a stranger: block lists of bob against himself do not count."""
        component, bob = Connection(world), world.online("bob")
        bob.do(ChangeBlocklist(blocked=True, addresses=(bob.jid,)))
        assert arrivals(component.say("bob"), bob)

    @pytest.mark.parametrize("sender", [ALICE, f"x@other.{DOMAIN}", f"x@irc.{DOMAIN}.evil", f"x@a.irc.{DOMAIN}", ""])
    def test_addresses_of_others_are_refused(self, world: World, sender: str):
        """A component speaks for its own addresses, in the log as on the wire."""
        component = Connection(world)
        Connection(world, "other")
        outcome = component.say("bob", sender=sender).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "not-allowed"

    def test_sessions_of_accounts_are_no_components(self, world: World):
        """And what components do, no account's session does."""
        Connection(world)
        alice = world.online("alice")
        action = SendFromComponent(PUPPET, "", "bob", None, 2, ALL, b"<message/>", "", b"")
        outcome = alice.do(action).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "not-allowed"

    def test_a_retry_neither_doubles_nor_overtakes(self, world: World):
        """Commands of a connection are a chain, like those of any session."""
        component, bob = Connection(world), world.online("bob")
        first = component.origin()
        action = SendFromComponent(PUPPET, "", "bob", None, 2, ALL, b"<message><body>1</body></message>", "", b"")
        assert arrivals(world.do(action, first), bob)
        assert outcomes(world.do(action, first)) == ["Repeated"]
        skipped = component.origin()
        assert outcomes(world.do(action, component.origin())) == ["Stale"]
        assert world.do(action, skipped).outcome == Done()

    def test_an_origin_id_is_remembered_for_sender_and_recipient(self, world: World):
        """A component that lost its connection may send again what it does not know to be accepted."""
        component, bob = Connection(world), world.online("bob")
        assert arrivals(component.say("bob", origin_id="o", fingerprint=b"f"), bob)
        component.end()
        again = Connection(world)
        assert not arrivals(again.say("bob", origin_id="o", fingerprint=b"f"), bob)
        other = f"carol@{HOST}"
        assert arrivals(again.say("bob", sender=other, origin_id="o", fingerprint=b"f"), bob)

    def test_kinds_that_do_not_exist_are_refused(self, world: World):
        """No correct node writes them."""
        outcome = Connection(world).say("bob", kind=9).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "bad-request"


class TestRetraction:
    """What is taken back (XEP-0424), as apply decides it."""

    def test_a_user_takes_back(self, world: World):
        """From the user's archive, and from what waits for the component."""
        component, alice = Connection(world), world.online("alice")
        component.end()
        position = write(alice, body="secret").position
        write(alice, body="taken back", retraction=taking(position))
        assert b"secret" not in stored(world, position)
        again = Connection(world)
        assert [b"secret" in event.stanza for event in arrivals(again.connected, again)] == [False, False]

    def test_a_component_takes_back(self, world: World):
        """From the user's archive, and from what waits for the user."""
        component = Connection(world)
        position = component.say("bob", "secret").position
        component.say("bob", "taken back", retraction=taking(position))
        assert b"secret" not in stored(world, position)

    def test_what_nobody_archives_is_taken_back_while_it_is_owed(self, world: World):
        """It is known by who owes it."""
        component, alice = Connection(world), world.online("alice")
        position = write(alice, body="secret", storage=int(Storage.OFFLINE)).position
        write(alice, retraction=taking(position))
        assert b"secret" not in stored(world, position)
        position = component.say("carol", "secret", storage=int(Storage.OFFLINE)).position
        component.say("bob", retraction=taking(position))
        assert b"secret" in stored(world, position)
        component.say("carol", retraction=taking(position))
        assert b"secret" not in stored(world, position)

    def test_only_by_its_author_and_in_its_conversation(self, world: World):
        """Neither the other side, nor another address of the component, nor in a message to somebody else."""
        component, alice = Connection(world), world.online("alice")
        mine, theirs = write(alice, body="secret").position, component.say("alice", "secret").position
        component.say("alice", retraction=taking(mine))
        component.say("alice", sender=f"carol@{HOST}", retraction=taking(theirs))
        write(alice, retraction=taking(theirs))
        write(alice, f"carol@{HOST}", retraction=taking(mine))
        world.online("bob").send("alice", retraction=taking(mine, theirs))
        assert b"secret" in stored(world, mine)
        assert b"secret" in stored(world, theirs)

    def test_a_refused_one_takes_nothing_back(self, world: World):
        """Whoever has blocked the component keeps what it said."""
        component, alice = Connection(world), world.online("alice")
        position = component.say("alice", "secret").position
        alice.do(ChangeBlocklist(blocked=True, addresses=(HOST,)))
        component.say("alice", retraction=taking(position))
        assert b"secret" in stored(world, position)


def taking(*positions: int) -> Retraction:
    """What takes messages back."""
    return Retraction(positions, b"<retracted stamp='", b"'/>")


def stored(world: World, position: int) -> bytes:
    """The message as it is kept."""
    message = world.machine._context.messages.get(Position(position))
    assert message is not None
    return message.stanza


def test_replicas_agree(world: World, new_world: Any):
    """The same log makes the same state on another node, and after a restart in the midst of it."""
    component, alice = Connection(world), world.online("alice")
    write(alice)
    component.say("bob")
    component.end()
    write(alice, origin_id="o", fingerprint=b"f")
    Connection(world, node_id=2)
    other = new_world()
    other.log = list(world.log)
    other.reopen(commit=False)
    assert other.machine.state_hash == world.machine.state_hash
    assert other.scrub() == world.scrub()


def world_write(world: World, body: str) -> Any:
    """Write from a session on a node that lives."""
    client = world.bind("alice", "elsewhere", node_id=2)
    return write(client, body=body)
