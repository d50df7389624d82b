"""
A cluster in one process under virtual time: everything that happens follows from one seed.

The scheduler is a heap of (time, order, action). A node is a core, a disk and what it applied; the network carries
encoded messages. Links keep order like a TCP connection does unless the seed's faults reorder. Each node has a clock of
its own, with an offset and a drift. A paused node takes no event until it wakes; then it takes them all.

`run_safety` lets the faults of the seed happen while clients propose and read. `run_liveness` ends all faults; the
cluster must then elect, agree and bring every node to the same state within a bounded virtual time.
"""

from __future__ import annotations

import heapq
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from raft.simulation.checkers import Checkers, Violation, demand, next_state
from raft.simulation.disk import SimulatedDisk
from raft.simulation.faults import MILLISECOND_NS, Faults
from raft.simulation.maintenance import Maintenance
from raftline.base.errors import Busy, NotLeader
from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.membership import NOBODY, membership_of_voters
from raftline.raft.messages import AppendReply, Message, SnapshotMeta, VoteReply, VoteRequest
from raftline.raft.node import LogWrite, Raft, RaftConfig, Role

SECOND_NS = 1000 * MILLISECOND_NS
CONVERGENCE_NS = 20 * SECOND_NS

_PROMISES = (VoteReply, VoteRequest, AppendReply)
_PROPOSAL_COUNTS = (1, 1, 2, 5)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


@dataclass
class Node:
    """One member; `raft` is None while it is down."""

    node_id: NodeId
    disk: SimulatedDisk
    clock_offset_ns: int
    clock_rate: float
    raft: Raft | None = None
    life: int = 0
    applied_index: LogIndex = LogIndex(0)
    paused_until_ns: int = 0
    timer_ns: int | None = None
    sync_is_running: bool = False
    reads: dict[int, LogIndex] = field(default_factory=dict)
    """Request id -> what had been delivered anywhere when the read was asked for."""
    state: int = 0
    """Hash over all that was applied."""
    checkpoint_index: LogIndex = LogIndex(0)
    """Up to where the state machine survives a crash."""
    snapshot: SnapshotMeta | None = None
    """What this node hands out."""
    fetching: SnapshotMeta | None = None
    is_taking: bool = False
    is_retired: bool = False
    is_recovering: bool = False
    """Durable, beside the log: it lacks what was acknowledged."""
    damage_count: int = 0
    heard: dict[NodeId, int] = field(default_factory=dict)
    """Sender -> its damage count when its latest message was sent; a connection that is replaced brings no more."""


class World:
    """A cluster of `size` nodes."""

    def __init__(
        self,
        seed: int,
        size: int,
        faults: Faults | None = None,
        config: RaftConfig | None = None,
    ) -> None:
        self.chance = random.Random(seed)
        self.faults = Faults.draw(self.chance) if faults is None else faults
        self.config = config or RaftConfig(append_bytes_max=64, uncommitted_bytes_max=2000)
        self.now_ns = 0
        self.event_count = 0
        """Delivered messages, finished writes, crashes and what clients asked for; timers are not counted."""
        self.acked: dict[bytes, LogIndex] = {}
        self.reads_answered = 0
        self.trace_hash = 0
        self._ids = [NodeId(number) for number in range(1, size + 1)]
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0
        self._serial = 0
        self._request_id = 0
        self._proposed: dict[tuple[LogIndex, Term], bytes] = {}
        self._cuts: set[tuple[NodeId, NodeId]] = set()
        self._link_free_ns: dict[tuple[NodeId, NodeId], int] = {}
        self._faults_are_on = True
        self._founding = membership_of_voters(self._ids)
        self._founders = frozenset(self._ids)
        self.nodes: dict[NodeId, Node] = {}
        self.checkers = Checkers(self._founding)
        self.maintenance = Maintenance(self)
        for node_id in self._ids:
            self.nodes[node_id] = self._new_node(node_id)
        for node in self.nodes.values():
            self._start(node)

    def _new_node(self, node_id: NodeId) -> Node:
        node = Node(
            node_id,
            SimulatedDisk(),
            clock_offset_ns=self.chance.randrange(1 << 50),
            clock_rate=self.chance.uniform(0.98, 1.02),
        )
        self.checkers.disks[node_id] = node.disk
        return node

    def add_node(self, node_id: NodeId) -> None:
        """Start a node that knows nothing of the cluster, and waits to be talked to."""
        self.nodes[node_id] = self._new_node(node_id)
        self._ids.append(node_id)
        self._start(self.nodes[node_id])

    # Running

    def run_safety(self, event_count: int) -> None:
        """Let the seed's faults happen for a number of events."""
        self._after(self.faults.fault_every_ns, self._fault)
        self.start_clients()
        self.run_until(lambda: self.event_count >= event_count)

    def run_liveness(self) -> None:
        """End all faults; the cluster must converge."""
        self._faults_are_on = False
        self.faults = Faults()
        self._cuts.clear()
        for node in self.nodes.values():
            node.paused_until_ns = min(node.paused_until_ns, self.now_ns)
            if node.raft is None and not node.is_retired:
                self._start(node)
        marker = b"the end"
        deadline_ns = self.now_ns + CONVERGENCE_NS
        proposed_in: list[Term] = []

        def propose_marker() -> None:
            for node in self.nodes.values():
                raft = node.raft
                if raft is not None and raft.role is Role.LEADER and raft.term not in proposed_in:
                    try:
                        raft.propose([marker], self._local(node))
                    except Busy:
                        continue
                    proposed_in.append(raft.term)
                    self._drain(node, was_leader=True)
            self._after(10 * MILLISECOND_NS, propose_marker)

        self._after(0, propose_marker)

        def converged() -> bool:
            if self.now_ns >= deadline_ns:
                raise Violation(f"the cluster does not converge: {self.describe()}")
            members = self.maintenance.settled_members()
            if members is None or len({node.applied_index for node in members}) > 1:
                return False
            return marker in {payload for _, payload in self.checkers.committed[-20:]}

        self.run_until(converged)
        payloads = {payload for _, payload in self.checkers.committed}
        for payload, index in self.acked.items():
            demand(payload in payloads, "an acknowledged entry is lost", payload, index)

    def describe(self) -> str:
        """Return one line about each node."""
        return "; ".join(
            f"{node.node_id}: "
            + (
                "down"
                if node.raft is None
                else f"{node.raft.role.value} term {node.raft.term} commit {node.raft.commit_index} "
                f"last {node.raft.last_index} applied {node.applied_index}"
            )
            for node in self.nodes.values()
        )

    def start_clients(self) -> None:
        """Let clients propose and read from now on."""
        self._after(1, self._client)

    def run_until(self, is_done: Callable[[], bool]) -> None:
        """Let events happen until a condition holds; it must within an hour of virtual time."""
        deadline_ns = self.now_ns + 3600 * SECOND_NS
        events, pop = self._events, heapq.heappop
        while not is_done():
            if self.now_ns >= deadline_ns:
                raise Violation(f"nothing comes of it: {self.describe()}")
            self.now_ns, _, action, arguments = pop(events)
            action(*arguments)

    def run_for(self, duration_ns: int) -> None:
        """Let events happen for some virtual time."""
        end_ns = self.now_ns + duration_ns
        self.run_until(lambda: self._events[0][0] > end_ns)
        self.now_ns = end_ns

    def cut(self, links: set[tuple[NodeId, NodeId]]) -> None:
        """Let messages along these (sender, receiver) pairs get lost."""
        self._cuts = links

    @property
    def leader(self) -> Node | None:
        """Who leads in the highest term, if anyone does."""
        leaders = [node for node in self.nodes.values() if node.raft is not None and node.raft.role is Role.LEADER]
        return max(leaders, key=lambda node: node.raft.term if node.raft else 0, default=None)

    def _after(self, delay_ns: int, action: Callable[..., None], *arguments: Any) -> None:
        # Functions and their arguments, no closures: those that refer to themselves would be garbage in cycles.
        self._order += 1
        heapq.heappush(self._events, (self.now_ns + delay_ns, self._order, action, arguments))

    def at_node(self, node: Node, delay_ns: int, action: Callable[..., None], *arguments: Any) -> None:
        """Do something at a node later, unless it crashed meanwhile; while it is paused, when it wakes."""
        self._after(delay_ns, self._act_in_life, node, node.life, action, arguments)

    def _act_in_life(self, node: Node, life: int, action: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if node.raft is None or node.life != life:
            return
        if self.now_ns < node.paused_until_ns:
            self._after(node.paused_until_ns - self.now_ns, self._act_in_life, node, life, action, arguments)
            return
        action(*arguments)

    # Nodes

    def _local(self, node: Node) -> int:
        return node.clock_offset_ns + int(self.now_ns * node.clock_rate)

    def _start(self, node: Node) -> None:
        node.life += 1
        self.maintenance.started(node)
        node.timer_ns = None
        node.sync_is_running = False
        node.reads = {}
        node.raft = Raft(
            node_id=node.node_id,
            membership=self._founding if node.node_id in self._founders else NOBODY,
            log=node.disk,
            hard_state=node.disk.hard_state,
            applied_index=node.applied_index,
            config=self.config,
            random=random.Random(self.chance.randrange(1 << 60)),
            now_ns=self._local(node),
            is_recovering=node.is_recovering,
        )
        self.checkers.restarted(node.node_id, node.raft)
        self._drain(node, was_leader=False)

    def crash(self, node: Node, hint_share: float = 0.8) -> None:
        """Stop a node; it loses what was not durable and starts again after a while. Some others learn it at once."""
        if node.raft is None:
            return
        self.event_count += 1
        node.raft = None
        node.disk.crash(self.chance)
        # The state machine keeps a prefix of what it applied, never more than the log kept.
        least = max(node.checkpoint_index, node.applied_index - 20)
        node.applied_index = LogIndex(self.chance.randint(least, node.applied_index))
        node.state = self.checkers.states[node.applied_index]
        for other in self.nodes.values():
            if other is not node and self.chance.random() < hint_share:
                # The end of a connection arrives behind what was sent along it.
                last_ns = self._link_free_ns.get((node.node_id, other.node_id), 0)
                delay_ns = max(self.now_ns + self._delay(), last_ns + 1) - self.now_ns
                self.at_node(other, delay_ns, self._hint, other, node.node_id)
        delay_ns = self.chance.randrange(MILLISECOND_NS, self.faults.restart_ns_max + MILLISECOND_NS)
        self._after(delay_ns, self._restart, node, node.life)

    def _restart(self, node: Node, life: int) -> None:
        if node.raft is None and node.life == life and not node.is_retired:
            self._start(node)

    def _hint(self, node: Node, lost: NodeId) -> None:
        self.act(node, lambda raft, now_ns: raft.peer_disconnected(lost, now_ns))

    def act(self, node: Node, action: Callable[[Raft, int], None]) -> None:
        """Call a core and deal with its output."""
        assert node.raft is not None
        was_leader = node.raft.role is Role.LEADER
        action(node.raft, self._local(node))
        self._drain(node, was_leader=was_leader)

    def _drain(self, node: Node, *, was_leader: bool) -> None:
        raft = node.raft
        assert raft is not None
        ready = raft.ready()
        # What the event committed comes before what a leader made of it, such as the end of a joint membership.
        self.checkers.stepped(node.node_id, raft, was_leader)
        for write in ready.io:
            self.checkers.log_written(raft, write)
            node.disk.pending.append(write)
        if ready.committed:
            self.checkers.delivered(node.node_id, ready.committed, node.applied_index)
            node.applied_index = ready.committed[-1].index
            for entry in ready.committed:
                node.state = next_state(node.state, entry.term, entry.payload)
            self.checkers.state_reached(node.node_id, node.applied_index, node.state)
            for entry in ready.committed:
                payload = self._proposed.get((entry.index, entry.term))
                if payload is not None:
                    demand(payload == entry.payload, "an entry holds another's payload", entry)
                    self.acked[payload] = entry.index
        self.checkers.settled(raft, node.disk, node.checkpoint_index, node.applied_index)
        if ready.recovered or ready.snapshot_wanted or ready.install is not None:
            self.maintenance.follow(node, ready)
        for request_id, index in ready.reads:
            self.reads_answered += 1
            self.checkers.read_answered(node.node_id, index, node.reads.pop(request_id))
        for request_id in ready.reads_failed:
            del node.reads[request_id]
        if node.disk.pending and not node.sync_is_running:
            self._begin_sync(node)
        self._arm(node)
        if ready.messages:
            self._send(node, ready.messages)

    def _arm(self, node: Node) -> None:
        assert node.raft is not None
        due_ns = node.raft.deadline_ns()
        if node.timer_ns is not None and node.timer_ns <= due_ns:
            return
        node.timer_ns = due_ns
        delay_ns = max(int((due_ns - node.clock_offset_ns) / node.clock_rate) + 1 - self.now_ns, 0)
        self.at_node(node, delay_ns, self._timer, node, due_ns)

    def _timer(self, node: Node, due_ns: int) -> None:
        if node.timer_ns != due_ns:
            return
        node.timer_ns = None
        self.act(node, Raft.tick)

    # Disks

    def _begin_sync(self, node: Node) -> None:
        node.sync_is_running = True
        count = len(node.disk.pending)
        delay_ns = 10_000 + int(self.chance.random() * (self.faults.sync_ns_max - 10_000))
        if self.chance.random() < self.faults.disk_stall:
            delay_ns += self.chance.randrange(2 * SECOND_NS)
        # The disk works on while the process is paused, and is ahead of what the core was told.
        self._after(delay_ns, self._synced, node, node.life, count)

    def _synced(self, node: Node, life: int, count: int) -> None:
        if node.raft is not None and node.life == life:
            done = node.disk.sync(count)
            self.at_node(node, int(self.chance.random() * 100_000), self._completed, node, done)

    def _completed(self, node: Node, writes: list[LogWrite]) -> None:
        node.sync_is_running = False
        self.event_count += 1
        assert node.raft is not None
        was_leader = node.raft.role is Role.LEADER
        life = node.life
        node.raft.io_completed(writes[-1].sequence, self._local(node))
        self._drain(node, was_leader=was_leader)
        for write in writes:
            if write.messages and node.life == life and node.raft is not None:
                self._send(node, write.messages)

    # Network

    def _delay(self) -> int:
        if self.faults.straggler and self.chance.random() < self.faults.straggler:
            return self.chance.randrange(3 * SECOND_NS)
        return 20_000 + int(self.chance.random() * (self.faults.delay_ns_max - 20_000))

    def _send(self, node: Node, messages: list[Message]) -> None:
        for message in messages:
            assert node.raft is not None
            self.checkers.message_left(message, node.raft)
            self._carry(message)
            if self.faults.duplication and self.chance.random() < self.faults.duplication:
                self._carry(message)
            if (
                self.faults.aimed_crash
                and isinstance(message, _PROMISES)
                and self.chance.random() < self.faults.aimed_crash
            ):
                self.crash(node)
                return

    def _carry(self, message: Message) -> None:
        link = (message.sender, message.receiver)
        if link in self._cuts or (self.faults.loss and self.chance.random() < self.faults.loss):
            return
        arrival_ns = self.now_ns + self._delay()
        if not self.faults.reordering:
            arrival_ns = max(arrival_ns, self._link_free_ns.get(link, 0))
            self._link_free_ns[link] = arrival_ns
        frame = _encoder.encode(message)
        damage_count = self.nodes[message.sender].damage_count
        self.trace_hash = zlib.crc32(frame, zlib.crc32(b"%d" % arrival_ns, self.trace_hash))
        receiver = self.nodes[message.receiver]
        self._after(arrival_ns - self.now_ns, self._arrive, receiver, message.sender, damage_count, frame)

    def _arrive(self, receiver: Node, sender: NodeId, damage_count: int, frame: bytes) -> None:
        raft = receiver.raft
        if raft is None:
            return
        if self.now_ns < receiver.paused_until_ns:
            delay_ns = receiver.paused_until_ns - self.now_ns
            self._after(delay_ns, self._arrive, receiver, sender, damage_count, frame)
            return
        if receiver.heard.get(sender, 0) > damage_count:
            return
        receiver.heard[sender] = damage_count
        self.event_count += 1
        was_leader = raft.role is Role.LEADER
        raft.step(_decoder.decode(frame), self._local(receiver))
        self._drain(receiver, was_leader=was_leader)

    # Clients and faults

    def _client(self) -> None:
        """Propose where someone believes to lead, read anywhere."""
        if not self._faults_are_on:
            return
        draw = self.chance.random
        node = self.nodes[self._ids[int(draw() * len(self._ids))]]
        if node.raft is not None and self.now_ns >= node.paused_until_ns:
            if node.raft.role is Role.LEADER:
                self.propose(node, _PROPOSAL_COUNTS[int(draw() * len(_PROPOSAL_COUNTS))])
            if node.raft is not None and draw() < 0.3:
                self.read(node)
        self._after(100_000 + int(draw() * 10 * MILLISECOND_NS), self._client)

    def propose(self, node: Node, count: int) -> None:
        """Propose unique payloads at a node."""
        self.event_count += 1
        payloads = []
        for _ in range(count):
            self._serial += 1
            payloads.append(b"%d:" % self._serial + b"x" * int(self.chance.random() * 40))

        def propose(raft: Raft, now_ns: int) -> None:
            try:
                first, term = raft.propose(payloads, now_ns)
            except (Busy, NotLeader):
                return
            for place, payload in enumerate(payloads):
                self._proposed[LogIndex(first + place), term] = payload

        self.act(node, propose)

    def read(self, node: Node) -> int:
        """Ask for a read at a node and return its request id."""
        self.event_count += 1
        self._request_id += 1
        request_id = self._request_id
        node.reads[request_id] = self.checkers.delivered_max
        self.act(node, lambda raft, now_ns: raft.read_index(request_id, now_ns))
        return request_id

    def _fault(self) -> None:
        if not self._faults_are_on:
            return
        chance, faults = self.chance, self.faults
        several = len(self._ids) > 1
        if several and chance.random() < faults.partition:
            self._partition()
        if chance.random() < faults.one_way_cut:
            self._cuts.add((chance.choice(self._ids), chance.choice(self._ids)))
        if self._cuts and chance.random() < 0.3:
            self._cuts.clear()
        if chance.random() < faults.crash:
            self.crash(self._victim())
        if chance.random() < faults.crash / 20:
            for node in self.nodes.values():
                self.crash(node)
        if faults.damage and chance.random() < faults.damage:
            self.maintenance.damage(self._victim())
        if chance.random() < faults.pause:
            self._victim().paused_until_ns = self.now_ns + chance.randrange(SECOND_NS)
        if chance.random() < faults.transfer:
            self._transfer()
        if chance.random() < faults.churn:
            self.maintenance.operate()
        if chance.random() < faults.checkpoint:
            self.maintenance.checkpoint(self.nodes[chance.choice(self._ids)])
        if several and chance.random() < faults.link_flap:
            node, lost = chance.sample(self._ids, 2)
            self.at_node(self.nodes[node], 0, self._hint, self.nodes[node], lost)
        self._after(faults.fault_every_ns, self._fault)

    def _victim(self) -> Node:
        """Choose a node to be hurt, leaders more often than others."""
        leaders = [node for node in self.nodes.values() if node.raft and node.raft.role is Role.LEADER]
        if leaders and self.chance.random() < 0.5:
            return self.chance.choice(leaders)
        return self.nodes[self.chance.choice(self._ids)]

    def is_cut(self, link: tuple[NodeId, NodeId]) -> bool:
        """Whether messages along a (sender, receiver) pair get lost now."""
        return link in self._cuts

    def _partition(self) -> None:
        side = set(self.chance.sample(self._ids, self.chance.randint(1, len(self._ids) - 1)))
        self._cuts = {(a, b) for a in self._ids for b in self._ids if (a in side) != (b in side)}

    def _transfer(self) -> None:
        target = self.chance.choice(self._ids)
        for node in self.nodes.values():
            if node.raft and node.raft.role is Role.LEADER and self.now_ns >= node.paused_until_ns:
                self.act(node, lambda raft, now_ns: self._ask_transfer(raft, target, now_ns))

    def _ask_transfer(self, raft: Raft, target: NodeId, now_ns: int) -> None:
        if target in raft.membership.voters:
            raft.transfer_leadership(target, now_ns)
