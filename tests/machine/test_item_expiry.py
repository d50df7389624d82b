"""Items of nodes that expire, and locations that come too often, as apply decides it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from machine.world import Client, World
from raftline.base.limits import EXPIRED_ITEM_COUNT_MAX, LOCATION_INTERVAL_MIN_MS, RESUMPTION_TOKEN_SIZE
from raftline.machine.commands import CarryOutDue, CreateAccount, DeleteAccount, EnableManagement, SetPresence
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import CommandResult, Done, Rejected
from raftline.machine.pubsub.avatars import METADATA_NODE
from raftline.machine.pubsub.commands import (
    Capabilities,
    ConfigureNode,
    CreateNode,
    DeleteNode,
    LearnCapabilities,
    NodeOptions,
    Publish,
    PurgeNode,
    RetractItem,
)
from raftline.machine.pubsub.location import LOCATION_NODE
from raftline.machine.pubsub.queries import AvatarDigestOf, ItemsOf
from raftline.machine.pubsub.values import NodeItems, NodeNotified
from raftline.machine.queries import NextExpiry, Picture, PictureOf
from raftline.machine.versions import VERSION_MAX

NODE = "urn:n"
MINUTE = NodeOptions(max_items=0, item_expire=60)
HERE = b"<geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>1</lat></geoloc>"
END = b"<geoloc xmlns='http://jabber.org/protocol/geoloc'/>"


@pytest.fixture
def world(world: World) -> World:
    """Three accounts, under the version that knows nodes."""
    world.do(RaiseVersion(VERSION_MAX))
    return world


@pytest.fixture
def alice(world: World) -> Client:
    """Somebody who publishes."""
    return world.online("alice")


def item(item_id: str, options: NodeOptions | None = MINUTE) -> Publish:
    """Publish an item."""
    return Publish(NODE, item_id, b"<a xmlns='urn:n'/>", options)


def pass_time(world: World, seconds: float) -> CommandResult:
    """Let time pass, and what is due happen."""
    world.time_ms += round(1000 * seconds)
    return world.do(CarryOutDue())


def item_ids(world: World) -> list[str]:
    """The items that are there."""
    answer = world.machine.answer(ItemsOf("alice", "alice@example.org", NODE))
    assert isinstance(answer, NodeItems)
    return [found.item_id for found in answer.items]


class TestExpiry:
    """An item is retracted at its time."""

    def test_to_the_millisecond(self, world: World, alice: Client) -> None:
        """Each item by its own publication, and what an account may keep is free again."""
        alice.do(item("a"))
        world.time_ms += 1
        alice.do(item("b"))
        assert world.machine.answer(NextExpiry()) == world.time_ms - 1 + 60_000
        assert item_ids(world) == ["a", "b"]
        pass_time(world, 59.999)
        assert item_ids(world) == ["b"]
        pass_time(world, 0.001)
        assert item_ids(world) == []
        account = world.machine._context.accounts.get("alice")
        assert account is not None
        [node] = world.machine._context.pubsub.nodes.of(account.account_id).values()
        assert (node.item_count, node.size) == (0, 0)
        assert world.machine.take_faults() == []

    def test_published_anew(self, world: World, alice: Client) -> None:
        """An item of the same id has all its time again."""
        alice.do(item("a"))
        pass_time(world, 59)
        alice.do(item("a"))
        pass_time(world, 59)
        assert item_ids(world) == ["a"]

    @pytest.mark.parametrize("action", [RetractItem(NODE, "a", notify=False), PurgeNode(NODE), DeleteNode(NODE)])
    def test_what_is_gone_before(self, world: World, alice: Client, action: object) -> None:
        """Nothing is left to be done."""
        alice.do(item("a"))
        assert alice.do(action).outcome == Done()  # type: ignore[arg-type]  # each is an action
        assert world.machine.answer(NextExpiry()) is None

    def test_so_many_at_once(self, world: World, alice: Client) -> None:
        """One command takes so many, since all contacts may hear of each; the next takes the rest."""
        for number in range(EXPIRED_ITEM_COUNT_MAX + 1):
            alice.do(item(f"{number:02d}"))
        pass_time(world, 60)
        assert item_ids(world) == [f"{EXPIRED_ITEM_COUNT_MAX:02d}"]
        pass_time(world, 0)
        assert item_ids(world) == []

    def test_who_was_away(self, world: World, alice: Client) -> None:
        """A session that is resumed is told that the item went."""
        world.do(EnableManagement(alice.session_id, alice.epoch, 0, bytes(RESUMPTION_TOKEN_SIZE), 300))
        capabilities = Capabilities("sha-1", "v", "urn:c")
        alice.do(SetPresence(f"<presence from='{alice.full_jid}'/>".encode(), 0, capabilities))
        alice.do(LearnCapabilities(capabilities, (NODE,), True))
        alice.do(item("a"))
        live = pass_time(world, 60).events
        found = world.machine.answer(PictureOf(alice.session_id))
        assert isinstance(found, Picture)
        for events in (live, found.events):
            told = [event.notification for event in events if isinstance(event, NodeNotified)]
            assert [(notification.kind, notification.item_id) for notification in told] == [("retract", "a")]

    def test_an_account_that_is_gone(self, world: World, alice: Client) -> None:
        """Its items go, be it by their time or because it is deleted; a later one of its name has its own."""
        for number in range(3):
            alice.do(item(f"{number}"))
        world.time_ms += 60_000
        world.apply(world.command(DeleteAccount("alice")), world.command(CarryOutDue()))
        assert world.machine.take_faults() == []
        world.do(CreateAccount("alice", ()))
        world.online("alice").do(item("new"))
        pass_time(world, 1)
        assert item_ids(world) == ["new"]
        assert world.count("pubsub_item") == 1

    def test_an_avatar(self, world: World, alice: Client) -> None:
        """A picture whose metadata expires is announced no longer."""
        digest = "a" * 40
        alice.do(Publish(METADATA_NODE, digest, b"<metadata xmlns='m'/>", MINUTE, digest))
        assert world.machine.answer(AvatarDigestOf("alice")) == digest
        pass_time(world, 60)
        assert world.machine.answer(AvatarDigestOf("alice")) == ""

    def test_replicas_agree(self, new_world: Callable[..., World], tmp_path: Path) -> None:
        """One log, a machine that never forgets and one that is opened anew after each command."""
        ours, theirs = new_world(), new_world(tmp_path / "other.db")
        for world in (ours, theirs):
            world.account("alice")
            world.do(RaiseVersion(VERSION_MAX))
            alice = world.online("alice")
            steps = [
                CreateNode(NODE, MINUTE),
                item("a", None),
                item("b", None),
                ConfigureNode(NODE, NodeOptions(item_expire=30)),
                item("c", None),
                ConfigureNode(NODE, NodeOptions(item_expire=0)),
                ConfigureNode(NODE, NodeOptions(item_expire=20)),
            ]
            for action in steps:
                world.time_ms += 5_000
                assert alice.do(action).outcome == Done()  # type: ignore[arg-type]  # each is an action
                pass_time(world, 0)
                if world is theirs:
                    world.reopen(commit=True)
        assert ours.machine.state_hash == theirs.machine.state_hash
        assert ours.scrub() == theirs.scrub()
        assert item_ids(ours) == ["c"]


class TestLocation:
    """How often an account tells where it is (XEP-0080)."""

    @pytest.mark.parametrize(("after_ms", "is_taken"), [(LOCATION_INTERVAL_MIN_MS, True), (999, False), (0, False)])
    def test_the_interval(self, world: World, alice: Client, after_ms: int, *, is_taken: bool) -> None:
        """By cluster time since the last one that was taken, whatever the item is called."""
        assert alice.do(Publish(LOCATION_NODE, "a", HERE)).outcome == Done()
        world.time_ms += after_ms
        outcome = alice.do(Publish(LOCATION_NODE, "b", HERE)).outcome
        if is_taken:
            assert outcome == Done()
        else:
            assert isinstance(outcome, Rejected)
            assert (outcome.condition, outcome.kind) == ("resource-constraint", "wait")

    def test_what_was_refused_does_not_count(self, world: World, alice: Client) -> None:
        """Who tries too often is not put off for ever, and what is wrong otherwise is no update."""
        assert isinstance(alice.do(Publish(LOCATION_NODE, "x" * 2000, HERE)).outcome, Rejected)
        alice.do(Publish(LOCATION_NODE, "a", HERE))
        for _ in range(3):
            world.time_ms += 300
            alice.do(Publish(LOCATION_NODE, "a", HERE))
        world.time_ms += 100
        assert alice.do(Publish(LOCATION_NODE, "a", HERE)).outcome == Done()

    @pytest.mark.parametrize("between", [RetractItem(LOCATION_NODE, "a", notify=False), DeleteNode(LOCATION_NODE)])
    def test_no_way_around(self, world: World, alice: Client, between: object) -> None:
        """Neither a retraction nor another node makes an update that comes too soon a first one."""
        alice.do(Publish(LOCATION_NODE, "a", HERE))
        alice.do(between)  # type: ignore[arg-type]  # each is an action
        assert isinstance(alice.do(Publish(LOCATION_NODE, "a", HERE)).outcome, Rejected)

    def test_an_end(self, alice: Client) -> None:
        """It is taken at any time, again and again."""
        for payload in (HERE, END, END):
            assert alice.do(Publish(LOCATION_NODE, "a", payload)).outcome == Done()

    def test_an_account_that_is_gone(self, world: World, alice: Client) -> None:
        """Nothing is kept of it."""
        alice.do(Publish(LOCATION_NODE, "a", HERE))
        assert world.count("location_update") == 1
        world.do(DeleteAccount("alice"))
        assert world.count("location_update") == 0
