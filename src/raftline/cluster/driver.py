"""
Raft at work: the node's consensus core, log, state machine and links, on one event loop, and what edges and node ask
of them. The core is brought forward in turns (turns.py); here its parts begin, meet, and end.

Errors of storage, of the machine or of an invariant end in `fatal`, once: the node stops rather than guess. Errors of
a peer end its link.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Final

from raftline.base.errors import (
    Busy,
    Dismissed,
    LocalProtocolError,
    Stopping,
    StorageCorrupt,
    StorageError,
    Unavailable,
)
from raftline.base.ids import LogIndex, NodeId, SessionId
from raftline.cluster.alarm import Alarm
from raftline.cluster.apply_loop import ApplyLoop
from raftline.cluster.barriers import Barriers
from raftline.cluster.chores import Chores
from raftline.cluster.comparison import Comparison
from raftline.cluster.config import MILLISECOND_NS, Clocks, ClusterConfig
from raftline.cluster.deliveries import Deliveries
from raftline.cluster.draining import Draining
from raftline.cluster.expiry import Expiry
from raftline.cluster.forwarding import Forwarding
from raftline.cluster.frames import PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, Hello, LinkFrame
from raftline.cluster.links import LinkContexts, PeerLinks
from raftline.cluster.lives import Lives
from raftline.cluster.media.choice import open_files
from raftline.cluster.media.media import Media
from raftline.cluster.media.objects.media import ObjectMedia
from raftline.cluster.members import Members
from raftline.cluster.metrics import ClusterMetrics, collect_metrics, initial_metrics
from raftline.cluster.observer import Observer
from raftline.cluster.off_log import OffLogExchange
from raftline.cluster.pause_watch import PauseWatch
from raftline.cluster.peer_book import PeerBook, founding_membership
from raftline.cluster.proposals import Proposal
from raftline.cluster.salts import SaltPool
from raftline.cluster.status import ClusterStatus
from raftline.cluster.storage import NodeStorage
from raftline.cluster.subscriber import Subscriber
from raftline.cluster.succession import Succession
from raftline.cluster.survey import Survey
from raftline.cluster.traffic import PeerTraffic
from raftline.cluster.turns import Turns
from raftline.cluster.upkeep import Upkeep
from raftline.machine.commands import Action, Command, KeyOrigin, SessionOrigin, encode_command
from raftline.machine.machine import Machine
from raftline.machine.outcomes import CommandResult
from raftline.raft.membership import NOBODY, Membership
from raftline.raft.node import Raft

_LOG: Final = logging.getLogger(__name__)

COMMAND_BYTES_MAX: Final = 4 << 20
"""Largest command; it must fit a peer frame alone, and edges bound what they take far below."""

HOUSEKEEPING_NS: Final = 50 * MILLISECOND_NS
"""How often things are looked at that no event announces."""

ResultCallback = Callable[[CommandResult], None]


class Driver:
    """
    One node of the cluster.

    Args:
        raft_random: Seeded differently for each life; for elections and pauses between dials.
        storage: Open; the driver closes it.
        entropy: Random bytes that nobody can guess, for the salts of commands.
        fatal: Called once with the error after which the process must stop with a non-zero exit.

    Order: `start`, then anything, then `stop`. All calls from the event loop's thread.
    """

    def __init__(
        self,
        config: ClusterConfig,
        *,
        raft_random: random.Random,
        clocks: Clocks,
        storage: NodeStorage,
        contexts: LinkContexts,
        entropy: Callable[[int], bytes],
        fatal: Callable[[BaseException], None],
    ) -> None:
        self.config = config
        self._random = raft_random
        self._clocks = clocks
        self.now_ns = clocks.monotonic_ns
        self._kept = storage
        self._log = storage.log
        self._machine = storage.machine
        self._contexts = contexts
        self._entropy = entropy
        self._salts = SaltPool(entropy)
        self._fatal = fatal
        self.subscriber: Subscriber | None = None
        self.files: Media | ObjectMedia | None = None
        self._is_started = False
        self._is_running = False
        self._is_failed = False
        self._housekeeping = Alarm(self._keep_house)
        self._election_count = 0
        self._snapshot_serial = 0
        self.pauses = PauseWatch(config.raft.election_timeout_min_ns // 2)
        self._membership_seen: tuple[LogIndex, bool] | None = None
        self.on_membership: Callable[[Membership], None] = lambda _membership: None
        """Called with each membership that is committed; for whoever keeps note of it outside the log."""
        self._deliveries = Deliveries(self)
        self.draining = Draining(self)
        self.observer = Observer(self, self._deliveries.latency.figures, clocks.wall_ms, storage.disk)
        self.off_log = OffLogExchange(self._machine, count_max=config.limits.off_log_count_max)

    # Life cycle

    async def start(self) -> None:
        """
        Recover from what is durable, listen for peers, dial them and take part.

        Raises:
            OSError: The address cannot be listened on.
            StorageCorrupt: Log and database contradict each other.
        """
        self._loop = asyncio.get_running_loop()
        config = self.config
        now_ns = self.now_ns()
        self.raft = self._make_core(now_ns)
        # Request numbers continue above those of any earlier life.
        self.barriers = Barriers(self._clocks.wall_ms() << 20, config.timing.wait_ns)
        self._chores = Chores(self.fail, self.now_ns)
        self._apply = ApplyLoop(
            self._machine,
            monotonic_ns=self.now_ns,
            on_results=self._deliveries.entry_applied,
            on_slice=self._deliveries.slice_applied,
            on_failure=self.fail,
            disk=self._kept.disk,
        )
        self.lives = Lives(
            config,
            self._clocks,
            self.raft,
            propose=self._propose_own,
            on_end=self._deliveries.life_ended,
            on_refusal=lambda reason: self.fail(StorageError(f"the cluster does not take this node: {reason}")),
        )
        self.members = Members(self, entropy=self._entropy)
        self._expiry = Expiry(self._machine, self.raft, self._clocks, propose=self._propose_own)
        self._traffic = PeerTraffic(self)
        self.book = PeerBook(config.node_id, {**config.peers, **config.contacts})
        self.book.follow(self.raft.membership, self.raft.membership_index, is_committed=False)
        self._links = PeerLinks(
            config,
            self._contexts,
            self._traffic,
            self.book,
            make_hello=self._make_hello,
            random=self._random,
            monotonic_ns=self.now_ns,
            on_failure=self.fail,
        )
        self._turns = Turns(self, self._links, self._apply)
        self.survey = Survey(
            config,
            self.raft,
            self._machine,
            self._links,
            wall_ms=self._clocks.wall_ms,
            on_sent=self.request_turn,
            reading=self.observer.reading,
        )
        self.comparison = Comparison(self)
        self.forwarding = Forwarding(config, self.raft, self._links, self._clocks)
        self.succession = Succession(config, self.raft, self._links)
        await self._links.start()
        self._start_upkeep()
        if self._kept.settings.keeps_media:
            self.upkeep.backups.files = self.files = open_files(
                self, self._kept, self._links, self._chores, self._entropy
            )
        self._chores.begin(self.comparison.run(), "comparison")
        self._is_started = self._is_running = True
        self._housekeeping.set(now_ns, now_ns)
        self.lives.begin()
        self.request_turn()

    @property
    def media(self) -> Media | None:
        """Uploaded files on the disks of the nodes, which tell one another of them; None where there are none."""
        return self.files if isinstance(self.files, Media) else None

    def _make_core(self, now_ns: int) -> Raft:
        config = self.config
        try:
            return Raft(
                node_id=config.node_id,
                membership=founding_membership(config.peers) if config.is_founder else NOBODY,
                log=self._log,
                hard_state=self._log.hard_state,
                applied_index=self._machine.applied_index,
                config=config.raft,
                random=self._random,
                now_ns=now_ns,
                is_recovering=self._kept.is_recovering,
            )
        except StorageCorrupt as error:
            if self._kept.settings.has_peers:
                self._kept.repair.record(str(error), self._log.hard_state)
            raise

    def _start_upkeep(self) -> None:
        self.upkeep = Upkeep(
            self.config,
            self.raft,
            self._kept,
            self._apply,
            self.lives,
            self._links,
            self.succession,
            self._chores,
            now_ns=self.now_ns,
            wall_ms=self._clocks.wall_ms,
            call_on_loop=self._loop.call_soon_threadsafe,
            on_durable=self._turns.write_durable,
            on_failure=self.fail,
            draw_name=self._draw_snapshot_name,
            on_installed=self._deliveries.snapshot_installed,
            on_change=self.request_turn,
        )
        self.storage = self.upkeep.storage

    async def stop(self) -> None:
        """Leave the cluster's work to the others and close log and machine. Waiting barriers fail with Stopping."""
        if not self._is_running:
            return
        self._is_running = False
        self._turns.stop()
        self._housekeeping.cancel()
        self.barriers.stop()
        await self._links.stop()
        await self._chores.stop()
        if self.files is not None:
            await self.files.stop()
        # Its thread may be waiting for the loop: let it run while that ends.
        await asyncio.to_thread(self.upkeep.writer.close)
        await self.storage.stop()
        self._apply.stop()
        self._log.close()
        self._machine.close()

    def fail(self, error: BaseException) -> None:
        """Stop everything, once: from here on nothing may be acknowledged. Damage is noted, for the next start."""
        if self._is_failed:
            return
        self._is_failed = True
        # A disk that fails needs a sentence; a stack trace of ours would only hide it.
        trace = None if isinstance(error, StorageError | OSError | Dismissed) else error
        _LOG.critical("node %d stops: %s", self.config.node_id, error, exc_info=trace)
        if isinstance(error, StorageCorrupt) and self._is_started and self.raft.voters - {self.node_id}:
            try:
                self._kept.repair.record(str(error), self.raft.hard_state)
            except StorageError as another:
                _LOG.critical("this could not be noted: %s", another)
        self._fatal(error)

    @property
    def is_working(self) -> bool:
        """It has started, and has neither stopped nor failed."""
        return self._is_running and not self._is_failed

    # What edges and node ask for

    @property
    def node_id(self) -> NodeId:
        """This node."""
        return self.config.node_id

    @property
    def machine(self) -> Machine:
        """The replica, for local reads."""
        return self._machine

    @property
    def leader_id(self) -> NodeId | None:
        """Who leads, as far as this node knows."""
        return self.raft.leader_id

    def subscribe(self, subscriber: Subscriber) -> None:
        """Name who hears of what is applied; before `start`."""
        assert self.subscriber is None
        self.subscriber = subscriber

    def propose(
        self,
        action: Action,
        origin: SessionOrigin | KeyOrigin | None,
        on_result: ResultCallback | None,
        *,
        essential: bool = False,
    ) -> int:
        """
        Propose a command and go on; commands of a node enter the log in the order of these calls.

        Args:
            on_result: Called once, when this node has applied it, before the events it caused.
            essential: Of the node's own housekeeping, bounded by other means: no bound refuses it.

        Returns: The ticket, for `forget`.

        Raises:
            Busy: Too much is under way, or the leader here has no space; the command certainly entered no log.
            Stopping: The node is shutting down.
            LocalProtocolError: The command is larger than `COMMAND_BYTES_MAX`, which no edge should let through.
        """
        if not self._is_running:
            raise Stopping("this node is shutting down")
        pending = self.forwarding.pending
        if not essential:
            pending.require_room()
            if not self.storage.has_space:
                raise Busy("the disk of this node has no space left")
        ticket = pending.next_ticket()
        command = encode_command(
            Command(self.config.node_id, self.lives.incarnation, ticket, self._salts.draw(), origin, action)
        )
        if len(command) > COMMAND_BYTES_MAX:
            raise LocalProtocolError(f"{type(action).__name__} of {len(command)} bytes")
        pending.add(Proposal(ticket, command, self.now_ns(), on_result))
        self._turns.request()
        return ticket

    def forget(self, ticket: int) -> bool:
        """
        Give up on a command without a session.

        Returns: True if it certainly entered no log; False if it may yet take effect.
        """
        return self.forwarding.pending.forget(ticket)

    async def read_barrier(self) -> None:
        """
        Wait until this replica has applied everything committed before the call.

        Raises:
            Unavailable: There is no quorum now, or nothing is applied here for want of space.
            Stopping: The node is shutting down.
        """
        if not self._is_running:
            raise Stopping("this node is shutting down")
        if self._apply.held_since_ns is not None:
            raise Unavailable("the disk of this node has no space left: what is committed cannot be applied")
        waiter = self.barriers.enter()
        self.request_turn()
        await self.barriers.pass_through(waiter)

    def send_off_log(self, node_id: NodeId, session_id: SessionId, stanza: bytes) -> bool:
        """
        Send a stanza to a session of another node, at most once.

        Returns: False when the link is down or overloaded: it was not sent.
        """
        is_sent = self.off_log.send(self._links, node_id, session_id, stanza)
        if is_sent:
            self.request_turn()
        return is_sent

    def send(self, node_id: NodeId, frame: LinkFrame) -> bool:
        """Send a frame to another node; False when the link is down or full."""
        is_sent = self._links.send(node_id, frame)
        self.request_turn()
        return is_sent

    def begin_chore(self, work: Coroutine[None, None, None], name: str) -> None:
        """Let a task run until it ends or the node stops."""
        self._chores.begin(work, name)

    def transfer_leadership(self, target: NodeId | None = None) -> None:
        """As `Succession.transfer`."""
        self.succession.transfer(target, self.now_ns())
        self.request_turn()

    # What a turn finds

    def request_turn(self) -> None:
        """Let a turn follow soon, if none is due anyway (turns.py)."""
        if self._is_running:
            self._turns.request()

    def role_changed(self) -> None:
        """The core leads, follows or stands for election now, and did not before."""
        raft = self.raft
        self._election_count += 1
        self.observer.role_changed()
        self.barriers.ask_again()
        _LOG.info("term %d: this node is %s, leader is %s", raft.term, raft.role.value, raft.leader_id)
        self.request_turn()

    def follow_membership(self) -> None:
        """Dial who is a member now; let go of who is none any more, once that is certain."""
        raft = self.raft
        is_certain = self.membership_is_certain
        seen = (raft.membership_index, is_certain)
        if seen == self._membership_seen:
            return
        self._membership_seen = seen
        if self.book.follow(raft.membership, raft.membership_index, is_committed=is_certain):
            self.book_changed()
        self.storage.announce()
        if is_certain:
            self.members.membership_settled()
            self.on_membership(raft.membership)

    @property
    def membership_is_certain(self) -> bool:
        """Whether the membership in force will not be taken back, as far as this node can tell."""
        # What a node that has lost its log takes for the membership may be years old.
        return self.raft.membership_is_committed and not self.raft.is_recovering

    def book_changed(self) -> None:
        """Dial who is new in the book, let go of who is gone."""
        _LOG.info("nodes to talk to: %s", sorted(self.book.known))
        self._links.follow()

    def _keep_house(self) -> None:
        """Look at what no event announces."""
        if self._is_failed:
            return
        now_ns = self.now_ns()
        self.pauses.came(now_ns, now_ns + HOUSEKEEPING_NS)
        self._housekeeping.set(now_ns + HOUSEKEEPING_NS, now_ns)
        if self._machine.failure is not None:
            # A question met it; whoever asked does not know what that means for the node.
            self.fail(self._machine.failure)
            return
        try:
            self.barriers.keep_house(now_ns)
            self.follow_membership()
            self.forwarding.keep_house(now_ns)
            self.lives.keep_house(now_ns, self._links)
            self._expiry.keep_house(now_ns)
            self.upkeep.keep_house(now_ns, is_drained=self.draining.is_drained)
            self.members.keep_house(now_ns)
        except BaseException as error:  # noqa: BLE001  as in turns.py
            self.fail(error)
        self.request_turn()

    # What the parts ask for

    def _draw_snapshot_name(self) -> str:
        """Return a name that no snapshot of this node ever had: no life of it begins in the same millisecond."""
        self._snapshot_serial += 1
        return f"{self.lives.first_incarnation}-{self._snapshot_serial}"

    def _make_hello(self) -> Hello:
        """Say who this node is and what it knows, as of now."""
        config, raft = self.config, self.raft
        return Hello(
            PROTOCOL_VERSION,
            config.cluster_id,
            config.node_id,
            self.lives.incarnation,
            is_unfit=self.draining.is_drained or (self._is_started and self.storage.is_told_short),
            members=raft.membership.members,
            membership_index=raft.membership_index,
            version_min=PROTOCOL_VERSION_MIN,
            machine_version=config.machine_version_max,
            data_id=config.data_id,
        )

    def _propose_own(self, action: Action, on_result: ResultCallback | None) -> None:
        """Propose on this node's own behalf; a node that stops has nothing more to say, though it still applies."""
        if self._is_running:
            self.propose(action, None, on_result, essential=True)

    # Status and figures

    async def status(self) -> ClusterStatus:
        """Ask all nodes how they are, for at most `timing.status_ns`, and join the answers."""
        return await self.survey.status()

    def metrics(self) -> ClusterMetrics:
        """Return the figures as they are now; before `start` those of a node that has done nothing."""
        if not self._is_started:
            return initial_metrics(self._log.last_index, self._machine.applied_index)
        return collect_metrics(
            self.raft,
            self.forwarding,
            self._apply,
            self._links,
            self.off_log.inbox,
            self.upkeep.writer.sync_latency,
            self._deliveries.latency,
            election_count=self._election_count,
            storage=self.storage,
            succession=self.succession,
            pauses=self.pauses,
            comparison=self.comparison,
            upkeep=self.upkeep.metrics(),
        )
