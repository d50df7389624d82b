"""
Scenarios as text: whole nodes on virtual time, and what their clients are told; the form of a file is told in
`transcripts.stories`.

The nodes are those of `sim.life`, with one seed for all stories. They do everything by themselves, so a story tells
nothing that depends on when a message came or who was elected: clients' answers, and how long they took, to the second;
within two seconds is *soon*.

    nodes 3 [pending=2]                  begin nodes 1 to 3; how many commands of a node may wait for their outcome
    lead 1                               wait until all take node 1 for the leader, which the others hand over to
    other 1                              wait until all that are up but node 1 take another one for the leader
    create 2 alice [key=a]               a client of node 2 wants an account, also once more under the same key
    read 2 alice                         one asks whether it is there, and wants no stale answer
    wait                                 until all clients have their answers
    pass 1000                            1,000 ms go by
    stall 1 5000                         nothing that the disk of node 1 is given is done before 5,000 ms have passed
    cut 1 2 / heal                       nothing passes between two nodes / everything passes everywhere
    down 1 2 / up 1 2                    processes end and stay away / start again
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from typing import Any

from raftline.base.errors import RaftlineError
from raftline.base.ids import NodeId
from raftline.cluster.config import ClusterLimits
from raftline.machine.commands import CreateAccount
from raftline.machine.outcomes import Done, Rejected
from raftline.machine.queries import AccountExists
from sim.faults import Faults
from sim.life import Life
from sim.node import SimulatedNode
from sim.scheduler import MILLISECOND_NS, SECOND_NS
from sim.world import Options, World
from transcripts.stories import Stage, play_all

SEED = 1
SOON_NS = 2 * SECOND_NS
PATIENCE_NS = 30 * SECOND_NS
TRANSFERS_MAX = 5


class NodeStage(Stage):
    """A world without people or chance events, and the clients of the story."""

    def __init__(self) -> None:
        super().__init__()
        self._made: World | None = None
        self._waiting: dict[str, None] = {}
        self._key_count = 0

    @property
    def _world(self) -> World:
        assert self._made is not None, "there are no nodes"
        return self._made

    def close(self) -> None:
        if self._made is not None:
            self._made.close()

    def _node(self, word: str) -> SimulatedNode:
        return self._world.nodes[NodeId(int(word))]

    def _lives(self) -> list[Life]:
        """The lives of the nodes that are up, once they all serve."""
        return [node.life for node in self._world.nodes.values() if node.life is not None]

    def _life(self, word: str) -> Life:
        life = self._node(word).life
        assert life is not None, f"node {word} is down"
        return life

    def _until(self, condition: Callable[[], object]) -> bool:
        return self._world.scheduler.run_until(condition, for_ns=PATIENCE_NS)

    # Nodes

    def _nodes(self, words: list[str]) -> None:
        faults = Faults()
        options = Options.draw(random.Random(SEED), faults)
        settings = dict(word.split("=") for word in words[1:])
        options.size = int(words[0])
        options.limits = ClusterLimits(pending_count_max=int(settings.get("pending", 100)))
        self._made = World(SEED, faults=faults, options=options)
        for node in self._world.nodes.values():
            node.start()
        assert self._until(self._all_live), self._world.describe()

    def _all_live(self) -> bool:
        return all(life.is_serving and life.driver.lives.is_live for life in self._lives())

    def _lead(self, words: list[str]) -> None:
        target = NodeId(int(words[0]))

        def leads() -> bool:
            return self._all_live() and {life.driver.leader_id for life in self._lives()} == {target}

        for _ in range(TRANSFERS_MAX):
            assert self._until(lambda: self._all_live() and self._life(words[0]).driver.leader_id), "nobody leads"
            if not leads():
                self._life(words[0]).driver.transfer_leadership(target)
            if self._world.scheduler.run_until(leads, for_ns=SECOND_NS):
                return
        raise AssertionError(f"node {target} does not come to lead")

    def _other(self, words: list[str]) -> None:
        old = NodeId(int(words[0]))
        begin_ns = self._world.scheduler.now_ns

        def is_other() -> bool:
            leaders = {life.driver.leader_id for life in self._lives() if life.is_serving and life.node.node_id != old}
            return len(leaders) == 1 and leaders.isdisjoint({None, old})

        if self._until(is_other):
            self._say(f"another leads, {self._since(begin_ns)}")
        else:
            self._say("nobody else comes to lead")

    def _since(self, begin_ns: int) -> str:
        duration_ns = self._world.scheduler.now_ns - begin_ns
        return "soon" if duration_ns < SOON_NS else f"after {round(duration_ns / SECOND_NS)} s"

    # Clients

    def _create(self, words: list[str]) -> None:
        node, name, *options = words
        self._key_count += 1
        key = options[0].removeprefix("key=") if options else str(self._key_count)
        work = self._life(node).door.execute(CreateAccount(name, ()), key=key.encode().ljust(16, b"-"))
        self._begin(node, f"create {name}", self._created(work))

    @staticmethod
    async def _created(work: Coroutine[Any, Any, Any]) -> str:
        match await work:
            case Done():
                return "done"
            case Rejected(condition=condition):
                return f"rejected, {condition}"
            case outcome:
                return f"{outcome}"

    def _read(self, words: list[str]) -> None:
        self._begin(words[0], f"read {words[1]}", self._exists(self._life(words[0]), words[1]))

    @staticmethod
    async def _exists(life: Life, name: str) -> str:
        await life.door.barrier()
        return "it is there" if await life.door.ask(AccountExists(name)) else "it is not there"

    def _begin(self, node: str, label: str, work: Coroutine[Any, Any, str]) -> None:
        """Let a client wait for its answer, which is told with the command during which it comes."""
        begin_ns = self._world.scheduler.now_ns
        client = f"client of {node}, {label}"
        assert client not in self._waiting, f"{client} waits already"
        self._waiting[client] = None

        async def wait() -> None:
            try:
                answer = await work
            except RaftlineError as error:
                answer = type(error).__name__
            del self._waiting[client]
            self._say(f"{client}: {answer}, {self._since(begin_ns)}")

        life = self._life(node)
        life.hold(life.loop.create_task(wait()))

    def _wait(self, _: list[str]) -> None:
        if not self._until(lambda: not self._waiting):
            self._say(f"still waiting: {', '.join(self._waiting)}")

    def _pass(self, words: list[str]) -> None:
        self._world.scheduler.run_for(int(words[0]) * MILLISECOND_NS)

    # Faults

    def _stall(self, words: list[str]) -> None:
        end_ns = self._world.scheduler.now_ns + int(words[1]) * MILLISECOND_NS
        self._node(words[0]).disk.stalled_until_ns = end_ns

    def _cut(self, words: list[str]) -> None:
        one, other = (self._node(word).host for word in words)
        self._world.network.cut(one, other)
        self._world.network.cut(other, one)

    def _heal(self, _: list[str]) -> None:
        self._world.network.heal_all()

    def _down(self, words: list[str]) -> None:
        for word in words:
            node = self._node(word)
            node.retire()
            node.crash(power=False)

    def _up(self, words: list[str]) -> None:
        for word in words:
            node = self._node(word)
            node.is_retired = False
            node.start()
        assert self._until(self._all_live), self._world.describe()


def perform(text: str) -> str:
    """Play a file and return it with the answers that came."""
    return play_all(text, NodeStage())
