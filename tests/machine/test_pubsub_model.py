"""Nodes against a dictionary: whatever is published, retracted and configured, rows and counts agree with it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from machine.world import World
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done
from raftline.machine.pubsub.commands import (
    ConfigureNode,
    DeleteNode,
    NodeOptions,
    Publish,
    PurgeNode,
    RetractItem,
)
from raftline.machine.pubsub.queries import ItemsOf
from raftline.machine.pubsub.values import NodeItems

NODES = ("urn:a", "urn:b")
IDS = "abcdé"
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from(NODES), st.sampled_from(IDS), st.integers(1, 50)),
        st.tuples(st.just("retract"), st.sampled_from(NODES), st.sampled_from(IDS), st.just(0)),
        st.tuples(st.just("keep"), st.sampled_from(NODES), st.just(""), st.integers(1, 4)),
        st.tuples(st.just("purge"), st.sampled_from(NODES), st.just(""), st.just(0)),
        st.tuples(st.just("delete"), st.sampled_from(NODES), st.just(""), st.just(0)),
        st.tuples(st.just("forget"), st.just(""), st.just(""), st.just(0)),
    ),
    max_size=30,
)


class Model:
    """A node is how many items it keeps, and its items, the oldest first."""

    def __init__(self) -> None:
        self.nodes: dict[str, tuple[int, dict[str, bytes]]] = {}

    def publish(self, node: str, item_id: str, payload: bytes) -> bool:
        kept, items = self.nodes.setdefault(node, (1, {}))
        items.pop(item_id, None)
        items[item_id] = payload
        self.keep(node, kept)
        return True

    def retract(self, node: str, item_id: str) -> bool:
        return node in self.nodes and self.nodes[node][1].pop(item_id, None) is not None

    def keep(self, node: str, kept: int) -> bool:
        if node not in self.nodes:
            return False
        items = self.nodes[node][1]
        for item_id in list(items)[: max(len(items) - kept, 0)]:
            del items[item_id]
        self.nodes[node] = (kept, items)
        return True

    def purge(self, node: str) -> bool:
        if node in self.nodes:
            self.nodes[node][1].clear()
        return node in self.nodes

    def delete(self, node: str) -> bool:
        return self.nodes.pop(node, None) is not None


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_rows_and_counts_agree_with_a_dictionary(steps: list[tuple[str, str, str, int]]) -> None:
    """What takes effect, what is there in which order, and what a node counts of it; in memory or not."""
    world, model = World(), Model()
    world.do(RaiseVersion(3))
    world.account("alice")
    alice = world.online("alice")
    for kind, node, item_id, number in steps:
        match kind:
            case "publish":
                payload = b"x" * number
                done, action = model.publish(node, item_id, payload), Publish(node, item_id, payload)
            case "retract":
                done, action = model.retract(node, item_id), RetractItem(node, item_id, notify=True)
            case "keep":
                done, action = model.keep(node, number), ConfigureNode(node, NodeOptions(max_items=number))
            case "purge":
                done, action = model.purge(node), PurgeNode(node)
            case "delete":
                done, action = model.delete(node), DeleteNode(node)
            case _:
                world.machine._context.drop_derived()
                continue
        assert (alice.do(action).outcome == Done()) is done, kind
    for node in NODES:
        answer = world.machine.answer(ItemsOf("alice", alice.jid, node))
        if node not in model.nodes:
            assert not isinstance(answer, NodeItems)
            continue
        expected = model.nodes[node][1]
        assert isinstance(answer, NodeItems)
        assert [(found.item_id, found.payload) for found in answer.items] == list(expected.items())
        row = world.machine._context.pubsub.nodes.get(world.machine._context.accounts.get("alice").account_id, node)
        assert row is not None
        size = sum(len(found.encode()) + len(payload) for found, payload in expected.items())
        assert (row.item_count, row.size) == (len(expected), size)
    world.machine.close()
