"""
Scenarios as text: commands on their way into the log, and leaderships that move; the form of a file is told in
`transcripts.stories`.

The cores, their disks and the network are those of `raft.simulation.transcript`, whose commands are all here; of the
cores' messages only `TimeoutNow` is told. Around each core are the parts of the driver that need neither clock nor
thread: forwarding and succession, which get a turn whenever something came to their core. `a`, `b` are commands of
clients. Frames with commands, and refusals, wait for `deliver` like messages, as kinds `Commands` and `Refused`.

    nodes 3 [pending=2] [queue=2]        as there; bounds on commands without an outcome, and on a leader's queue
    command 2 a b                        clients of node 2 want this
    forget 2 a                           nobody waits for a any more: is it known what became of it?
    send 2->3 Commands term=1 round=1 a  a frame that the story makes up
    house 1                              what the driver of node 1 looks at now and then: is anything overdue?
    unfit 1 3                            node 1 hears that node 3 can take no leadership
    link 2 1                             the link between them comes up again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import msgspec

from raft.simulation.actor import Actor
from raft.simulation.transcript import CoreStage
from raftline.base.ids import NodeId, Term
from raftline.cluster.config import Clocks, ClusterConfig, ClusterLimits, Peer
from raftline.cluster.forwarding import Forwarding
from raftline.cluster.frames import LinkFrame, Proposals, Refusal
from raftline.cluster.proposals import Proposal
from raftline.cluster.succession import Succession
from raftline.machine.entry import decode_entry
from raftline.raft.membership import Membership
from raftline.raft.messages import Entry, EntryKind, Message
from raftline.raft.node import Raft, Ready
from transcripts.stories import play_all

TOLD = frozenset({"TimeoutNow"})
NODE_IDS = tuple(map(NodeId, range(1, 6)))


@dataclass
class Commands:
    """A frame of commands on its way."""

    sender: NodeId
    receiver: NodeId
    frame: Proposals


@dataclass
class Refused:
    """A refusal on its way."""

    sender: NodeId
    receiver: NodeId
    frame: Refusal


class Links:
    """The links of one node: a frame waits with the messages, and is lost with them."""

    def __init__(self, stage: ClusterStage, node_id: NodeId) -> None:
        self._stage = stage
        self._node_id = node_id

    def send(self, receiver: NodeId, frame: LinkFrame, *, yields: bool = False) -> bool:
        """Take a frame."""
        self._stage.leave_frame(self._node_id, receiver, frame)
        return True

    def is_up(self, node_id: NodeId) -> bool:
        """Whether a node can be reached, both ways."""
        ends = {(self._node_id, node_id), (node_id, self._node_id)}
        return self._stage.actors[node_id].raft is not None and not ends & self._stage.cut


class Driver:
    """The parts around one core, in one of its lives."""

    def __init__(self, stage: ClusterStage, raft: Raft, limits: ClusterLimits) -> None:
        config = ClusterConfig(
            cluster_id="story",
            node_id=raft.node_id,
            peers={node_id: Peer("host", 1, "") for node_id in NODE_IDS},
            listen_host="host",
            listen_port=1,
            limits=limits,
        )
        links = cast("Any", Links(stage, raft.node_id))
        self.raft = raft
        self.forwarding = Forwarding(config, raft, links, Clocks(lambda: 0, lambda: 0))
        self.succession = Succession(config, raft, links)


class ClusterStage(CoreStage):
    """Cores, and what brings commands to them."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = TOLD
        self._limits = ClusterLimits()
        self._drivers: dict[NodeId, Driver] = {}
        self._written_ns: dict[tuple[NodeId, int], int] = {}
        self._done: dict[NodeId, set[bytes]] = {}

    def _showing(self, words: list[str]) -> None:
        try:
            super()._showing(words)
        finally:
            self._shown = TOLD

    def _begin(self, node_id: NodeId, membership: Membership, options: dict[str, str]) -> None:
        self._limits = ClusterLimits(
            pending_count_max=int(options.get("pending", 100)), queue_count_max=int(options.get("queue", 100))
        )
        super()._begin(node_id, membership, options)

    def _driver(self, node_id: NodeId) -> Driver:
        """Return what is around a core; of a new life everything is new."""
        raft = self._core(node_id)
        driver = self._drivers.get(node_id)
        if driver is None or driver.raft is not raft:
            driver = self._drivers[node_id] = Driver(self, raft, self._limits)
        return driver

    def _drain(self, word: str | NodeId) -> None:
        """Take a turn as the driver does."""
        node_id = NodeId(int(word))
        forwarding = self._driver(node_id).forwarding
        forwarding.forward(self.now_ns)
        forwarding.make_entries(self.now_ns, has_space=True)
        super()._drain(word)
        for write in self.actors[node_id].disk.pending:
            self._written_ns.setdefault((node_id, write.sequence), self.now_ns)

    def _take(self, actor: Actor, ready: Ready) -> None:
        for entry in ready.committed:
            self._apply(actor, entry)
        super()._take(actor, msgspec.structs.replace(ready, committed=[]))

    def _apply(self, actor: Actor, entry: Entry) -> None:
        """Apply an entry: each command once, and tell whoever waits for its outcome."""
        actor.applied_index = entry.index
        if entry.kind is not EntryKind.DATA or not entry.payload:
            return
        done = self._done.setdefault(actor.node_id, set())
        pending = self._driver(actor.node_id).forwarding.pending
        for command in decode_entry(entry.payload).commands:
            node, ticket, name = command.decode().split()
            how = "knows it has applied" if command in done else "applies"
            self._say(f"{actor.node_id} {how} {name} of node {node} at {entry.index}/{entry.term}")
            done.add(command)
            if int(node) == actor.node_id and pending.resolve(int(ticket)) is not None:
                self._say(f"{node} tells its client that {name} is done")

    # Frames

    def leave_frame(self, sender: NodeId, receiver: NodeId, frame: LinkFrame) -> None:
        """Let a frame wait for its delivery."""
        assert isinstance(frame, Proposals | Refusal), frame
        carried: Any
        if isinstance(frame, Proposals):
            carried = Commands(sender, receiver, frame)
            names = " ".join(_name_of(command) for command in frame.commands)
            self._say(f"{sender}->{receiver} Commands term {frame.term} round {frame.round}: {names}")
        else:
            carried = Refused(sender, receiver, frame)
            reason = "busy" if frame.busy else f"leads no such term, is in term {frame.term}"
            self._say(f"{sender}->{receiver} Refused round {frame.round} from ticket {frame.first_ticket}: {reason}")
        self.waiting.append(carried)

    def _arrive(self, message: Message) -> None:
        carried: Any = message
        if not isinstance(carried, Commands | Refused):
            super()._arrive(message)
            return
        actor = self.actors[carried.receiver]
        if actor.raft is None or (carried.sender, carried.receiver) in self.cut:
            return
        forwarding = self._driver(carried.receiver).forwarding
        if isinstance(carried, Commands):
            forwarding.receive_proposals(carried.sender, carried.frame, has_space=True)
        else:
            forwarding.receive_refusal(carried.frame, self.now_ns)
        self._drain(carried.receiver)

    def _send(self, words: list[str]) -> None:
        if words[1] != "Commands":
            super()._send(words)
            return
        sender, receiver = (NodeId(int(number)) for number in words[0].split("->"))
        options = {key: int(value) for key, value in (word.split("=") for word in words[2:] if "=" in word)}
        names = [word for word in words[2:] if "=" not in word]
        commands = [_command(sender, ticket, name) for ticket, name in enumerate(names, start=1)]
        frame = Proposals(Term(options["term"]), options["round"], 1, commands)
        self._arrive(cast("Any", Commands(sender, receiver, frame)))

    # What clients and drivers ask for

    def _command(self, words: list[str]) -> None:
        node_id = NodeId(int(words[0]))
        pending = self._driver(node_id).forwarding.pending
        for name in words[1:]:
            pending.require_room()
            ticket = pending.next_ticket()
            pending.add(Proposal(ticket, _command(node_id, ticket, name), self.now_ns, None))
        self._drain(node_id)

    def _forget(self, words: list[str]) -> None:
        pending = self._driver(NodeId(int(words[0]))).forwarding.pending
        (ticket,) = [each.ticket for each in pending._pending.values() if _name_of(each.command) == words[1]]
        self._say("it entered no log" if pending.forget(ticket) else "it is unknown whether it will be applied")

    def _house(self, words: list[str]) -> None:
        node_id = NodeId(int(words[0]))
        driver = self._driver(node_id)
        pending = self.actors[node_id].disk.pending
        oldest_write_ns = self._written_ns[node_id, pending[0].sequence] if pending else None
        driver.forwarding.keep_house(self.now_ns)
        driver.succession.keep_house(self.now_ns, is_unfit=False, oldest_write_ns=oldest_write_ns)
        self._drain(node_id)

    def _unfit(self, words: list[str]) -> None:
        node_id, other = (NodeId(int(word)) for word in words)
        self._driver(node_id).succession.peer_told(other, is_unfit=True)

    def _link(self, words: list[str]) -> None:
        one, other = (NodeId(int(word)) for word in words)
        for node_id, peer in ((one, other), (other, one)):
            driver = self._driver(node_id)
            driver.forwarding.peer_arrived(peer)
            if driver.raft.leader_id == peer:
                driver.forwarding.restart()
            self._drain(node_id)


def _command(node_id: NodeId, ticket: int, name: str) -> bytes:
    return f"{node_id} {ticket} {name}".encode()


def _name_of(command: bytes) -> str:
    return command.decode().split()[2]


def perform(text: str) -> str:
    """Play a file and return it with the answers that came."""
    return play_all(text, ClusterStage())
