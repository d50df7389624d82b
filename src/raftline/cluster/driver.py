"""
Raft at work: the node's consensus core, log, state machine and links, on one event loop.

Inputs (frames, durable writes, proposals, time) reach the core at once and ask for a *turn*; however many arrive
before it, one turn follows:

    1. commands without an outcome go to the leader: into its queue here, or as frames over its link
    2. the leader makes an entry of what queued up, unless enough are under way
    3. `Raft.ready`: messages leave, writes go to the log's thread, one write per link
    4. what is committed is applied, in slices; outcomes and events go out right after each entry

Nothing is awaited on this path and nothing costs a task or a future per command. Messages that a write must precede
are kept here until the log reports it durable.

Errors of storage, of the machine or of an invariant end in `fatal`, once: the node stops rather than guess. Errors of
a peer end its link.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Final

from raftline.base.errors import Busy, LocalProtocolError, RemoteProtocolError, Stopping, StorageError, Unavailable
from raftline.base.ids import NodeId, SessionId
from raftline.cluster.alarm import Alarm
from raftline.cluster.apply_loop import ApplyLoop
from raftline.cluster.barriers import Barriers
from raftline.cluster.checkpoints import Checkpoints
from raftline.cluster.chores import Chores
from raftline.cluster.compaction import Compaction
from raftline.cluster.config import MILLISECOND_NS, Clocks, ClusterConfig
from raftline.cluster.expiry import SessionExpiry
from raftline.cluster.forwarding import Forwarding
from raftline.cluster.frames import Frame, Hello, OffLogStanza, Proposals, Refusal, StatusReply, StatusRequest
from raftline.cluster.links import LinkContexts, PeerLinks
from raftline.cluster.lives import Lives
from raftline.cluster.metrics import ClusterMetrics, collect_metrics, initial_metrics
from raftline.cluster.off_log import OffLogExchange
from raftline.cluster.proposals import Proposal
from raftline.cluster.salts import SaltPool
from raftline.cluster.status import ClusterStatus
from raftline.cluster.storage import NodeStorage
from raftline.cluster.storage_watch import StorageWatch
from raftline.cluster.subscriber import Subscriber
from raftline.cluster.succession import Succession, TransferRequest
from raftline.cluster.survey import Survey
from raftline.machine.commands import Action, Command, KeyOrigin, SessionOrigin, encode_command
from raftline.machine.machine import Machine
from raftline.machine.outcomes import CommandResult
from raftline.raft.messages import Message
from raftline.raft.node import Raft
from raftline.raft.ready import LogWrite, Ready

_LOG: Final = logging.getLogger(__name__)

COMMAND_BYTES_MAX: Final = 4 << 20
"""Largest command; it must fit a peer frame alone, and edges bound what they take far below."""

HOUSEKEEPING_NS: Final = 50 * MILLISECOND_NS
"""How often things are looked at that no event announces."""

_APPLY_QUEUE_BYTES: Final = 8 << 20
"""With so much to apply, a node that catches up leaves the rest in its log."""

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
        self._now_ns = clocks.monotonic_ns
        self._kept = storage
        self._log = storage.log
        self._machine = storage.machine
        self._contexts = contexts
        self._salts = SaltPool(entropy)
        self._fatal = fatal
        self._subscriber: Subscriber | None = None
        self._turn_is_scheduled = False
        self._is_started = False
        self._is_running = False
        self._is_failed = False
        self._writes: deque[LogWrite] = deque()
        self._alarm = Alarm(self._request_turn)
        self._housekeeping = Alarm(self._keep_house)
        self._election_count = 0
        self._off_log = OffLogExchange(self._machine, count_max=config.limits.off_log_count_max)

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
        now_ns = self._now_ns()
        self._raft = Raft(
            node_id=config.node_id,
            voters=frozenset(config.peers),
            log=self._log,
            hard_state=self._log.hard_state,
            applied_index=self._machine.applied_index,
            config=config.raft,
            random=self._random,
            now_ns=now_ns,
        )
        # Request numbers continue above those of any earlier life.
        self._barriers = Barriers(self._clocks.wall_ms() << 20, config.timing.wait_ns)
        self._chores = Chores(self._fail)
        self._apply = ApplyLoop(
            self._machine,
            monotonic_ns=self._now_ns,
            on_results=self._entry_applied,
            on_slice=self._slice_applied,
            on_failure=self._fail,
            disk=self._kept.disk,
        )
        self._lives = Lives(config, self._clocks, self._raft, propose=self._propose_own, on_end=self._life_ended)
        self._expiry = SessionExpiry(self._machine, self._raft, self._clocks, propose=self._propose_own)
        self._links = PeerLinks(
            config,
            self._contexts,
            self,
            incarnation=self._lives.incarnation,
            random=self._random,
            monotonic_ns=self._now_ns,
            on_failure=self._fail,
        )
        self.survey = Survey(config, self._raft, self._machine, self._links, on_sent=self._request_turn)
        self._forwarding = Forwarding(config, self._raft, self._links, self._clocks)
        self.succession = Succession(config, self._raft, self._links)
        await self._links.start()
        self._start_storage()
        self._is_started = self._is_running = True
        self._housekeeping.set(now_ns, now_ns)
        self._lives.begin()
        self._request_turn()

    def _start_storage(self) -> None:
        """Start what writes the log and what moves the database's write-ahead file."""
        settings = self._kept.settings
        self._writer = settings.start_writer(
            self._log,
            on_durable=lambda sequence: self._call_from_thread(self._write_durable, sequence),
            on_failure=lambda error: self._call_from_thread(self._fail, error),
            now_ns=self._now_ns,
        )
        self.storage = StorageWatch(
            self.config,
            self._log,
            self._writer,
            self._apply,
            self._lives,
            self._links,
            self.succession,
            disk=self._kept.disk,
            on_failure=self._fail,
        )
        self.compaction = Compaction(
            self._raft, self._log, self._writer, trailing_bytes=settings.trailing_bytes, now_ns=self._now_ns
        )
        self.checkpoints = Checkpoints(
            settings.database_path,
            self._apply,
            aside=self._chores.aside,
            on_durable=self.compaction.checkpointed,
            has_room_for=self.storage.has_room_for,
            vfs=settings.vfs,
        )
        self._chores.begin(self.checkpoints.run(), "checkpoints")

    def _call_from_thread(self, callback: Callable[..., None], *args: object) -> None:
        self._loop.call_soon_threadsafe(callback, *args)

    async def stop(self) -> None:
        """Leave the cluster's work to the others and close log and machine. Waiting barriers fail with Stopping."""
        if not self._is_running:
            return
        self._is_running = False
        self._alarm.cancel()
        self._housekeeping.cancel()
        self._barriers.stop()
        await self._links.stop()
        await self._chores.stop()
        # Its thread may be waiting for the loop: let it run while that ends.
        await asyncio.to_thread(self._writer.close)
        await self.storage.stop()
        self._apply.stop()
        self._log.close()
        self._machine.close()

    def _fail(self, error: BaseException) -> None:
        """Stop everything, once: from here on nothing may be acknowledged."""
        if self._is_failed:
            return
        self._is_failed = True
        # A disk that fails needs a sentence; a stack trace of ours would only hide it.
        trace = None if isinstance(error, StorageError | OSError) else error
        _LOG.critical("node %d stops: %s", self.config.node_id, error, exc_info=trace)
        self._fatal(error)

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
    def lives(self) -> Lives:
        """Which life this node is in."""
        return self._lives

    @property
    def peer_port(self) -> int:
        """The port listened on for peers."""
        return self._links.port

    @property
    def leader_id(self) -> NodeId | None:
        """Who leads, as far as this node knows."""
        return self._raft.leader_id

    def subscribe(self, subscriber: Subscriber) -> None:
        """Name who hears of what is applied; before `start`."""
        assert self._subscriber is None
        self._subscriber = subscriber

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
        pending = self._forwarding.pending
        if not essential:
            pending.require_room()
            if not self.storage.has_space:
                raise Busy("the disk of this node has no space left")
        ticket = pending.next_ticket()
        command = encode_command(
            Command(self.config.node_id, self._lives.incarnation, ticket, self._salts.draw(), origin, action)
        )
        if len(command) > COMMAND_BYTES_MAX:
            raise LocalProtocolError(f"{type(action).__name__} of {len(command)} bytes")
        pending.add(Proposal(ticket, command, self._now_ns(), on_result))
        if not self._turn_is_scheduled:
            self._request_turn()
        return ticket

    def forget(self, ticket: int) -> bool:
        """
        Give up on a command without a session.

        Returns: True if it certainly entered no log; False if it may yet take effect.
        """
        return self._forwarding.pending.forget(ticket)

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
        waiter = self._barriers.enter()
        self._request_turn()
        await self._barriers.pass_through(waiter)

    def send_off_log(self, node_id: NodeId, session_id: SessionId, stanza: bytes) -> bool:
        """
        Send a stanza to a session of another node, at most once.

        Returns: False when the link is down or overloaded: it was not sent.
        """
        is_sent = self._off_log.send(self._links, node_id, session_id, stanza)
        if is_sent:
            self._request_turn()
        return is_sent

    def transfer_leadership(self, target: NodeId | None = None) -> None:
        """As `Succession.transfer`."""
        self.succession.transfer(target, self._now_ns())
        self._request_turn()

    # Turns

    def _request_turn(self) -> None:
        if not self._turn_is_scheduled and self._is_running:
            self._turn_is_scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_scheduled = False
        if not self._is_running or self._is_failed:
            return
        now_ns = self._now_ns()
        try:
            if now_ns >= self._raft.deadline_ns():
                self._raft.tick(now_ns)
            self._forwarding.forward(now_ns)
            self._forwarding.make_entries(now_ns, has_space=self.storage.takes_another_entry)
            self._barriers.ask(self._raft, now_ns)
            self._carry_out(self._raft.ready(deliver=self._apply.queue_bytes < _APPLY_QUEUE_BYTES))
            self._arm_deadline()
        except BaseException as error:  # noqa: BLE001  a node in an unknown state must stop, whatever the reason
            self._fail(error)

    def _carry_out(self, ready: Ready) -> None:
        links = self._links
        for message in ready.messages:
            links.send(message.receiver, message)
        for write in ready.io:
            self._writes.append(write)
            self._writer.submit(write.sequence, write.hard_state, write.entries)
        if ready.role_changed:
            self._role_changed()
        links.flush()
        self._barriers.answered(ready)
        if ready.committed:
            self._apply.enqueue(ready.committed)
        elif ready.reads:
            self._barriers.release(self._machine.applied_index)

    def _role_changed(self) -> None:
        raft = self._raft
        self._election_count += 1
        self._barriers.ask_again()
        _LOG.info("term %d: this node is %s, leader is %s", raft.term, raft.role.value, raft.leader_id)
        self._request_turn()

    def _arm_deadline(self) -> None:
        """Wake up when the core asks for it."""
        deadline_ns = self._raft.deadline_ns()
        now_ns = self._now_ns()
        if deadline_ns <= now_ns:
            # Entries wait to be taken. With enough to apply already, the next slice asks for the turn that takes them.
            if self._apply.queue_bytes < _APPLY_QUEUE_BYTES:
                self._request_turn()
            return
        self._alarm.set(deadline_ns, now_ns)

    def _write_durable(self, sequence: int) -> None:
        """Tell the core, then let go the messages that had to wait."""
        if not self._is_running or self._is_failed:
            return
        try:
            self._raft.io_completed(sequence, self._now_ns())
        except BaseException as error:  # noqa: BLE001  as in _turn
            self._fail(error)
            return
        while self._writes and self._writes[0].sequence <= sequence:
            for message in self._writes.popleft().messages:
                self._links.send(message.receiver, message)
        self._request_turn()

    def _keep_house(self) -> None:
        """Look at what no event announces."""
        if self._is_failed:
            return
        now_ns = self._now_ns()
        self._housekeeping.set(now_ns + HOUSEKEEPING_NS, now_ns)
        try:
            self._barriers.keep_house(now_ns)
            self._forwarding.keep_house(now_ns)
            self._lives.keep_house(now_ns, self._links)
            self._expiry.keep_house(now_ns)
            self.storage.keep_house(now_ns)
        except BaseException as error:  # noqa: BLE001  as in _turn
            self._fail(error)
        self._request_turn()

    # Applied

    def _entry_applied(self, results: list[CommandResult]) -> None:
        """Hand out an entry's outcomes and events, in the order of their commands."""
        own_id = self.config.node_id
        subscriber = self._subscriber
        for result in results:
            if result.node_id == own_id and result.incarnation >= self._lives.first_incarnation:
                proposal = self._forwarding.pending.resolve(result.ticket)
                if proposal is None:
                    if subscriber is not None:
                        subscriber.unclaimed(result)
                elif proposal.on_result is not None:
                    proposal.on_result(result)
            if subscriber is not None:
                for event in result.events:
                    if event.node_id == own_id:
                        subscriber.receive_event(event)

    def _slice_applied(self) -> None:
        subscriber = self._subscriber
        if subscriber is not None:
            subscriber.slice_applied()
            self._off_log.slice_applied(subscriber)
        self.survey.slice_applied()
        self._barriers.release(self._machine.applied_index)
        self._request_turn()

    def _propose_own(self, action: Action, on_result: ResultCallback | None) -> None:
        self.propose(action, None, on_result, essential=True)

    def _life_ended(self) -> None:
        """Tell the peers which life this is now, and the subscriber that its sessions are over."""
        self.storage.announce()
        self._request_turn()
        if self._subscriber is not None:
            self._subscriber.life_ended()

    # Links

    def link_up(self, node_id: NodeId) -> None:
        """See `LinkObserver`."""
        if node_id == self._raft.leader_id:
            self._forwarding.restart()
        self.storage.link_up()
        self._request_turn()

    def link_down(self, node_id: NodeId) -> None:
        """See `LinkObserver`."""
        self._peer_unreachable(node_id)

    def peer_arrived(self, node_id: NodeId, incarnation: int) -> None:
        """See `LinkObserver`."""
        self._forwarding.peer_arrived(node_id)
        self._lives.peer_arrived(node_id, incarnation)
        self.succession.peer_told(node_id, is_short=False)

    def peer_gone(self, node_id: NodeId) -> None:
        """See `LinkObserver`."""
        if self._is_running and not self._is_failed:
            try:
                self._raft.peer_disconnected(node_id, self._now_ns())
            except BaseException as error:  # noqa: BLE001  as in _turn
                self._fail(error)
            self._peer_unreachable(node_id)

    def _peer_unreachable(self, node_id: NodeId) -> None:
        self.survey.peer_lost(node_id)
        if self._subscriber is not None:
            self._subscriber.peer_lost(node_id)
        self._request_turn()

    def receive_frame(self, node_id: NodeId, frame: Frame) -> None:
        """See `LinkObserver`."""
        if not self._is_running or self._is_failed:
            return
        if isinstance(frame, Proposals):
            self._forwarding.receive_proposals(node_id, frame, has_space=self.storage.has_space)
        elif isinstance(frame, OffLogStanza):
            self._off_log.receive(self._subscriber, node_id, frame)
            return
        elif isinstance(frame, Refusal):
            self._forwarding.receive_refusal(frame, self._now_ns())
        elif isinstance(frame, StatusRequest):
            self.survey.asked(node_id, frame)
        elif isinstance(frame, StatusReply):
            self.survey.answered(node_id, frame)
            return
        elif isinstance(frame, Hello):
            self._lives.peer_arrived(node_id, frame.incarnation)
            self.succession.peer_told(node_id, is_short=frame.is_short)
        elif isinstance(frame, TransferRequest):
            self.succession.asked(frame, self._now_ns())
        else:
            self._step(node_id, frame)
        if not self._turn_is_scheduled:
            self._request_turn()

    def _step(self, node_id: NodeId, message: Message) -> None:
        if message.sender != node_id:
            raise RemoteProtocolError(f"message of node {message.sender} over the link of node {node_id}")
        try:
            self._raft.step(message, self._now_ns())
        except RemoteProtocolError:
            raise
        except BaseException as error:  # noqa: BLE001  as in _turn
            self._fail(error)

    # Status and figures

    async def status(self) -> ClusterStatus:
        """Ask all nodes how they are, for at most `timing.status_ns`, and join the answers."""
        return await self.survey.status()

    def metrics(self) -> ClusterMetrics:
        """Return the figures as they are now; before `start` those of a node that has done nothing."""
        if not self._is_started:
            return initial_metrics(self._log.last_index, self._machine.applied_index)
        return collect_metrics(
            self._raft,
            self._forwarding,
            self._apply,
            self._links,
            self._off_log.inbox,
            self._writer.sync_latency,
            election_count=self._election_count,
            storage=self.storage,
            succession=self.succession,
        )
