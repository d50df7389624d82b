"""
Scenarios as text: commands to a handful of cores, and what they answer; the form of a file is told in
`transcripts.stories`.

Nothing happens by itself: messages wait until `deliver`, writes until `sync`, time passes by `tick` and `elapse`. Every
answer shows all that left the cores because of the command.

    nodes 3 [log=1,1 term=2 applied=2]   begin nodes 1 to 3, each with entries of these terms
    node 2 log=1,2 [term= vote= applied= voters=]   begin one node; voters default to 1,2,3
    joiner 4                             begin a node that knows no cluster
    tick 1                               let node 1 reach its next deadline
    elapse 100                           let 100 ms pass for all, without ticking
    propose 1 a b                        propose payloads; `x*3000` is a letter many times
    read 1 7                             ask for a read under that number
    transfer 1 2                         hand the leadership of node 1 to node 2
    change 1 add=4 promote=4 remove=2 demote=3
    compact 1 5                          forget entries up to 5
    snapshot 1                           offer a snapshot of all that node 1 applied
    install 2                            the snapshot that node 2 wants is durable there
    fail 2                               it could not be fetched
    disconnect 1 2                       node 1 learns that its link to node 2 dropped
    sync 1 [count]                       make the writes of node 1 durable
    deliver [1->2] [Append]              deliver what waits now, all or along one link or of one kind
    drop [1->2] [Append]                 lose it
    settle [1 2]                         sync and deliver among these nodes until nothing moves; others hear nothing
    hold 1000 1 2                        for 1,000 ms these nodes tick and settle as ever; others hear nothing
    elect 1 [1 2]                        let time pass, then node 1 stand, and settle
    send 2->1 Append term=1 prev=0/0 terms=1,1 commit=0
    send 2->1 Vote term=3 last=5/2 [transfer] | PreVote term=3 last=5/2 | VoteReply term=3
    send 2->1 Stored term=1 match=5 | Beat term=1 round=1 commit=0 | BeatReply term=1 round=1 accepted=0 match=0
    send 2->1 TimeoutNow term=1
    cut 1-2 3->1                         nothing passes between nodes 1 and 2, and from 3 to 1
    heal                                 everything passes everywhere
    crash 1 2 / restart 1 2              lose what is not durable / start again
    tear 1 2                             crash in the midst of the oldest write: of it term, vote and 2 entries stay
    damage 1                             crash, and lose the log too, but for term and vote
    stall 1                              the disk of node 1 stands still for `settle` and `hold`, until its next `sync`
    quietly COMMAND                      tell of roles, members, deliveries and reads alone, not of messages and writes
    showing Append,Heartbeat COMMAND     and of messages of these kinds
    status                               one line for each node
"""

from __future__ import annotations

from raft.simulation.actor import Actor
from raft.simulation.telling import read_message, read_payload, show_entries, show_membership, show_message
from raftline.base.ids import LogIndex, NodeId
from raftline.raft.confchange import MembershipChange
from raftline.raft.membership import NOBODY, Member, Membership, membership_of_voters
from raftline.raft.messages import Message, SnapshotMeta
from raftline.raft.node import LogWrite, Raft, Ready, Role
from transcripts.stories import Stage, play_all

MILLISECOND_NS = 1_000_000
SETTLE_ROUNDS_MAX = 100


class CoreStage(Stage):
    """Cores with their disks, and the network between them."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self.actors: dict[NodeId, Actor] = {}
        self.waiting: list[Message] = []
        self.cut: set[tuple[int, int]] = set()
        """Directions, as (sender, receiver), along which everything is lost."""
        self.stalled: set[NodeId] = set()
        self._shown: frozenset[str] | None = None
        """Kinds of messages that are told of; None for all, and for writes as well."""

    def _quietly(self, words: list[str]) -> None:
        self._showing(["", *words])

    def _showing(self, words: list[str]) -> None:
        self._shown = frozenset(words[0].split(","))
        try:
            getattr(self, f"_{words[1]}")(words[2:])
        finally:
            self._shown = None

    def _core(self, word: str | NodeId) -> Raft:
        raft = self.actors[NodeId(int(word))].raft
        assert raft is not None, f"node {word} is down"
        return raft

    def _drain(self, word: str | NodeId) -> None:
        actor = self.actors[NodeId(int(word))]
        raft = self._core(word)
        ready = raft.ready()
        if ready.role_changed:
            self._say(f"{actor.node_id} is {raft.role.value} of term {raft.term}, leader {raft.leader_id or 'none'}")
        if ready.membership_changed:
            self._say(f"{actor.node_id} has members {show_membership(raft.membership)}")
        for write in ready.io:
            self._say_write(actor, write)
            actor.disk.pending.append(write)
        self._take(actor, ready)
        self._leave(ready.messages)

    def _say_write(self, actor: Actor, write: LogWrite) -> None:
        parts = []
        if write.hard_state is not None:
            parts.append(f"term {write.hard_state.term} vote {write.hard_state.vote or 'none'}")
        if write.snapshot is not None:
            parts.append(f"snapshot {write.snapshot.index}/{write.snapshot.term}")
        if write.entries:
            parts.append(show_entries(write.entries))
        if self._shown is None:
            self._say(f"{actor.node_id} writes {', '.join(parts)}")

    def _take(self, actor: Actor, ready: Ready) -> None:
        if ready.committed:
            self._say(f"{actor.node_id} applies {show_entries(ready.committed)}")
            actor.applied_index = ready.committed[-1].index
        for request_id, index in ready.reads:
            self._say(f"{actor.node_id} may read {request_id} at {index}")
        for request_id in ready.reads_failed:
            self._say(f"{actor.node_id} may not read {request_id}")
        if ready.recovered:
            self._say(f"{actor.node_id} has recovered")
            actor.is_recovering = False
        if ready.snapshot_wanted:
            self._say(f"{actor.node_id} wants a snapshot for {' '.join(map(str, ready.snapshot_wanted))}")
        if ready.install is not None:
            self._say(f"{actor.node_id} wants snapshot {ready.install.index}/{ready.install.term}")
            actor.wanted = ready.install

    def _leave(self, messages: list[Message]) -> None:
        for message in messages:
            if self._shown is None or type(message).__name__ in self._shown:
                self._say(show_message(message))
            self.waiting.append(message)

    # Nodes

    def _nodes(self, words: list[str]) -> None:
        for number in range(1, int(words[0]) + 1):
            voters = ",".join(str(voter) for voter in range(1, int(words[0]) + 1))
            self._node([str(number), f"voters={voters}", *words[1:]])

    def _node(self, words: list[str]) -> None:
        options = dict(word.split("=") for word in words[1:])
        voters = [NodeId(int(voter)) for voter in options.get("voters", "1,2,3").split(",")]
        self._begin(NodeId(int(words[0])), membership_of_voters(voters), options)

    def _joiner(self, words: list[str]) -> None:
        self._begin(NodeId(int(words[0])), NOBODY, {})

    def _begin(self, node_id: NodeId, membership: Membership, options: dict[str, str]) -> None:
        self.actors[node_id] = Actor(node_id, membership, options)
        self.actors[node_id].start(self.now_ns)
        self._drain(node_id)

    def _crash(self, words: list[str]) -> None:
        for word in words:
            actor = self.actors[NodeId(int(word))]
            actor.disk.pending.clear()
            actor.raft = None
            self.waiting = [message for message in self.waiting if message.sender != actor.node_id]

    def _tear(self, words: list[str]) -> None:
        disk = self.actors[NodeId(int(words[0]))].disk
        disk._keep(disk.pending[0], int(words[1]))
        self._crash(words[:1])

    def _damage(self, words: list[str]) -> None:
        self._crash(words)
        actor = self.actors[NodeId(int(words[0]))]
        actor.disk.lose_all()
        actor.applied_index = LogIndex(0)
        actor.is_recovering = True

    def _restart(self, words: list[str]) -> None:
        for word in words:
            self.actors[NodeId(int(word))].start(self.now_ns)
            self._drain(word)

    def _status(self, _: list[str]) -> None:
        for node_id, actor in sorted(self.actors.items()):
            raft = actor.raft
            if raft is None:
                self._say(f"{node_id} is down")
                continue
            terms = [str(raft.term_at(LogIndex(at))) for at in range(raft.base_index + 1, raft.last_index + 1)]
            self._say(
                f"{node_id} {raft.role.value} term {raft.term} leader {raft.leader_id or 'none'} "
                f"commit {raft.commit_index} applied {actor.applied_index} log {raft.base_index}:[{' '.join(terms)}] "
                f"members {show_membership(raft.membership)}"
            )
            for follower in raft.followers():
                kind = "learner" if follower.is_learner else "voter"
                self._say(f"  {kind} {follower.node_id} {follower.state.value} match {follower.match_index}")

    # Time and disks

    def _tick(self, words: list[str]) -> None:
        raft = self._core(words[0])
        self.now_ns = max(self.now_ns, raft.deadline_ns())
        raft.tick(self.now_ns)
        self._drain(words[0])

    def _elapse(self, words: list[str]) -> None:
        self.now_ns += int(words[0]) * MILLISECOND_NS

    def _stall(self, words: list[str]) -> None:
        self.stalled.add(NodeId(int(words[0])))

    def _sync(self, words: list[str]) -> None:
        actor = self.actors[NodeId(int(words[0]))]
        self.stalled.discard(actor.node_id)
        count = int(words[1]) if len(words) > 1 else len(actor.disk.pending)
        for _ in range(count):
            (write,) = actor.disk.sync(1)
            self._core(words[0]).io_completed(write.sequence, self.now_ns)
            self._leave(write.messages)
            self._drain(words[0])

    # What drivers ask for

    def _propose(self, words: list[str]) -> None:
        self._core(words[0]).propose([read_payload(word) for word in words[1:]], self.now_ns)
        self._drain(words[0])

    def _read(self, words: list[str]) -> None:
        self._core(words[0]).read_index(int(words[1]), self.now_ns)
        self._drain(words[0])

    def _transfer(self, words: list[str]) -> None:
        self._core(words[0]).transfer_leadership(NodeId(int(words[1])), self.now_ns)
        self._drain(words[0])

    def _change(self, words: list[str]) -> None:
        options = dict(word.split("=") for word in words[1:])
        ids = {key: tuple(NodeId(int(number)) for number in value.split(",")) for key, value in options.items()}
        added = tuple(Member(node_id) for node_id in ids.pop("add", ()))
        self._core(words[0]).propose_membership(MembershipChange(add=added, **ids), self.now_ns)
        self._drain(words[0])

    def _compact(self, words: list[str]) -> None:
        base_index = self._core(words[0]).compact(LogIndex(int(words[1])), self.now_ns)
        self.actors[NodeId(int(words[0]))].disk.trim(base_index)
        self._say(f"{words[0]} keeps entries from {base_index + 1}")
        self._drain(words[0])

    def _snapshot(self, words: list[str]) -> None:
        raft = self._core(words[0])
        index = self.actors[raft.node_id].applied_index
        term = raft.term_at(index)
        assert term is not None
        name = f"{raft.node_id}-{index}-{self.now_ns}"
        raft.offer_snapshot(SnapshotMeta(raft.node_id, name, index, term, raft.membership_at(index)), self.now_ns)
        self._drain(words[0])

    def _install(self, words: list[str]) -> None:
        actor = self.actors[NodeId(int(words[0]))]
        assert actor.wanted is not None, "no snapshot is wanted"
        actor.disk.fetched = actor.wanted
        if self._core(words[0]).snapshot_installed(actor.wanted, self.now_ns):
            actor.applied_index = actor.wanted.index
        else:
            actor.disk.fetched = None
            self._say(f"{words[0]} needs no snapshot")
        self._drain(words[0])

    def _fail(self, words: list[str]) -> None:
        actor = self.actors[NodeId(int(words[0]))]
        assert actor.wanted is not None, "no snapshot is wanted"
        self._core(words[0]).snapshot_failed(actor.wanted.snapshot_id)

    def _disconnect(self, words: list[str]) -> None:
        self._core(words[0]).peer_disconnected(NodeId(int(words[1])), self.now_ns)
        self._drain(words[0])

    # Network

    def _cut(self, words: list[str]) -> None:
        for word in words:
            one, other = (int(number) for number in word.replace("->", "-").split("-"))
            self.cut |= {(one, other)} if "->" in word else {(one, other), (other, one)}

    def _heal(self, _: list[str]) -> None:
        self.cut.clear()

    def _select(self, words: list[str]) -> list[Message]:
        """Take the waiting messages that all words fit: a link, a kind."""
        chosen, left = [], []
        for message in self.waiting:
            names = {f"{message.sender}->{message.receiver}", f"->{message.receiver}", f"{message.sender}->"}
            fits = {*names, type(message).__name__}.issuperset(words)
            (chosen if fits else left).append(message)
        self.waiting = left
        return chosen

    def _deliver(self, words: list[str]) -> None:
        chosen = self._select(words)
        assert chosen, "nothing to deliver"
        for message in chosen:
            self._arrive(message)

    def _arrive(self, message: Message) -> None:
        actor = self.actors.get(message.receiver)
        is_cut = (message.sender, message.receiver) in self.cut
        if actor is not None and actor.raft is not None and not is_cut:
            actor.raft.step(message, self.now_ns)
            self._drain(actor.node_id)

    def _drop(self, words: list[str]) -> None:
        chosen = self._select(words)
        assert chosen, "nothing to lose"

    def _settle(self, words: list[str]) -> None:
        among = {NodeId(int(word)) for word in words} or set(self.actors)
        for _ in range(SETTLE_ROUNDS_MAX):
            for node_id in sorted(among):
                if self.actors[node_id].raft is not None and node_id not in self.stalled:
                    self._sync([str(node_id)])
            chosen, self.waiting = self.waiting, []
            chosen = [message for message in chosen if {message.sender, message.receiver} <= among]
            for message in chosen:
                self._arrive(message)
            if not chosen and not any(self.actors[node_id].disk.pending for node_id in among - self.stalled):
                return
        raise AssertionError("the cluster does not come to rest")

    def _elect(self, words: list[str]) -> None:
        self.now_ns = max(self.now_ns, self._core(words[0]).deadline_ns()) + 400 * MILLISECOND_NS
        self._core(words[0]).tick(self.now_ns)
        if self._core(words[0]).role is Role.FOLLOWER:  # it takes its leader for alive and itself for late
            self.now_ns = self._core(words[0]).deadline_ns()
            self._core(words[0]).tick(self.now_ns)
        self._drain(words[0])
        self._settle(words[1:])
        assert self._core(words[0]).role is Role.LEADER, f"node {words[0]} was not elected"

    def _hold(self, words: list[str]) -> None:
        end_ns = self.now_ns + int(words[0]) * MILLISECOND_NS
        while True:
            due_ns, node_id = min((self._core(word).deadline_ns(), word) for word in words[1:])
            if due_ns > end_ns:
                break
            self._tick([node_id])
            self._settle(words[1:])
        self.now_ns = end_ns

    def _send(self, words: list[str]) -> None:
        self._arrive(read_message(words))


def perform(text: str) -> str:
    """Play a file and return it with the answers that came."""
    return play_all(text, CoreStage())
