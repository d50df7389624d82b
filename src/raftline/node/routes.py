"""
What travels off the log: stanzas for sessions of any node.

A session of another node is found by what the last answer of the replica said of its place. An IQ request is
remembered until its answer passes, so that a lost link is an answer too (requests.py). What is handed to sessions here
passes a fence (fence.py), so that a replica that is behind gets round no block list.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from raftline.base.ids import NodeId, SessionId
from raftline.machine.components.queries import ComponentAt
from raftline.machine.queries import Block, BlockBetween, SessionAt, SessionRow
from raftline.node.fence import Fence
from raftline.node.requests import (
    IqAddress,
    OutstandingRequests,
    asked_on_behalf,
    domain_of,
    jid_of,
    on_behalf,
    read_iq_head,
    remote_server_timeout,
    sender_of,
    service_unavailable,
)
from raftline.node.session import LocalSession

if TYPE_CHECKING:
    from raftline.machine.machine import Machine
    from raftline.node.node import LocalNode

LOCATION_COUNT_MAX: Final = 65_536
"""Sessions of other nodes whose place is remembered."""

REQUEST_COUNT_MAX: Final = 8_192
"""IQ requests to one other node that have no answer yet."""


def find_session(machine: Machine, domain: str, jid: str) -> SessionRow | None:
    """Return the session of a client by its full JID, or of the component that an address is at."""
    label, _, parent = domain_of(jid).partition(".")
    localpart, resource = jid.partition("@")[0], jid.partition("/")[2]
    row = machine.answer(ComponentAt(label) if parent == domain else SessionAt(localpart, resource))
    return row if isinstance(row, SessionRow) else None


class Routes:
    """The routes of one node."""

    def __init__(self, node: LocalNode) -> None:
        self._node = node
        self._driver = node.driver
        self._locations: dict[SessionId, NodeId] = {}
        self._requests = OutstandingRequests(count_max=REQUEST_COUNT_MAX)
        self._local_stanzas: list[tuple[SessionId, bytes]] = []
        self._fence = Fence(
            node.barrier,
            monotonic_ns=node.monotonic_ns,
            deliver=self._deliver_allowed,
            refuse=self._time_out,
            # Whoever changes a block list waits twice as long for a node that is silent (cluster/survey.py).
            fresh_ns=node.driver.config.timing.status_ns // 2,
        )

    def remember(self, row: SessionRow) -> None:
        """Take note of where a session is."""
        if row.node_id in {self._driver.node_id, 0}:
            self._locations.pop(row.session_id, None)
        else:
            if len(self._locations) >= LOCATION_COUNT_MAX:
                del self._locations[next(iter(self._locations))]
            self._locations[row.session_id] = row.node_id

    def route(self, session_id: SessionId, stanza: bytes) -> bool:
        """See `door.Node`. A session of another node is known once `ask` has told of it."""
        if self._node.session_of(session_id) is not None:
            # The sender's stream has looked at the block lists just now; what waits is looked at once more.
            deliver = self._deliver_soon if self._fence.is_open else self._fence.hold
            deliver(session_id, stanza)
            return True
        node_id = self._locations.get(session_id)
        if node_id is None:
            return False
        head = read_iq_head(stanza)
        is_sent = self._driver.send_off_log(node_id, session_id, stanza)
        if head is not None and head.is_request:
            lost = self._requests.sent(node_id, head.request) if is_sent else head.request
            if lost is not None:
                self._answer_for(lost)
        return True

    def _deliver_soon(self, session_id: SessionId, stanza: bytes) -> None:
        """Hand over in the next turn of the loop, so that edges do not call into one another."""
        if not self._local_stanzas:
            asyncio.get_running_loop().call_soon(self._deliver_local)
        self._local_stanzas.append((session_id, stanza))

    def _deliver_local(self) -> None:
        stanzas, self._local_stanzas = self._local_stanzas, []
        for session_id, stanza in stanzas:
            self._deliver_stanza(session_id, stanza)

    def _deliver_stanza(self, session_id: SessionId, stanza: bytes) -> None:
        session = self._node.session_of(session_id)
        if session is not None:
            self._node.guard(session, session.receiver.receive_stanza, stanza)

    def receive(self, session_id: SessionId, stanza: bytes) -> None:
        """See `cluster.driver.Subscriber`."""
        head = read_iq_head(stanza)
        if head is not None and not head.is_request:
            self._requests.answered(head.request)
            self._requests.answered(on_behalf(head.request, session_id))
        session = self._node.session_of(session_id)
        if session is None:
            if head is not None and head.is_request:
                self._answer(head.request, service_unavailable(head.request))  # the sender's node did not know yet
            return
        deliver = self._deliver_allowed if self._fence.is_open else self._fence.hold
        deliver(session_id, stanza)

    def _deliver_allowed(self, session_id: SessionId, stanza: bytes) -> None:
        """Hand over what the block lists of this replica allow."""
        session = self._node.session_of(session_id)
        if session is None:
            return
        if not self._has_blocked(session, stanza):
            self._deliver_stanza(session_id, stanza)
            return
        head = read_iq_head(stanza)
        if head is not None and head.is_request:
            self._answer(head.request, service_unavailable(head.request))

    def _has_blocked(self, session: LocalSession, stanza: bytes) -> bool:
        """
        Tell whether the account of a session has blocked the sender (XEP-0191 section 3.3).

        The sender's node looked as well, but may not have known yet.
        """
        sender = sender_of(stanza)
        if sender is None:
            return False
        return self._driver.machine.answer(BlockBetween(session.full_jid, jid_of(sender))) is Block.USER

    def _time_out(self, session_id: SessionId, stanza: bytes) -> None:
        """Give up a stanza that this replica is not fresh enough for; a request has an answer all the same."""
        head = read_iq_head(stanza)
        if head is None:
            return
        if not head.is_request:
            self._deliver_soon(session_id, remote_server_timeout(head.request))
        elif not self._answer_for(head.request):
            self._answer(head.request, remote_server_timeout(head.request))

    def _answer(self, request: IqAddress, answer: bytes) -> None:
        """Answer a request of a client or a component, wherever that is, as the server of whom it was for."""
        sender = jid_of(request.sender)
        session = self._node.session_at(sender) or self._node.session_at(domain_of(sender))
        if session is not None:
            self._deliver_soon(session.session_id, answer)
            return
        row = find_session(self._driver.machine, self._node.domain, sender)
        if row is not None:
            self.remember(row)
            self.route(row.session_id, answer)

    def peer_lost(self, node_id: NodeId) -> None:
        """See `cluster.driver.Subscriber`: requests under way to that node are answered for."""
        for request in self._requests.lost(node_id):
            self._answer_for(request)

    def _answer_for(self, request: IqAddress) -> bool:
        """Tell a session here that its request is lost; False if it is not of a session here."""
        sender = jid_of(request.sender)
        session = self._node.session_at(sender) or self._node.session_at(domain_of(sender))
        on_behalf = asked_on_behalf(request) if session is None else None
        if on_behalf is not None:
            session_id, request = on_behalf
            session = self._node.session_of(session_id)
        if session is None:
            return False
        self._deliver_soon(session.session_id, remote_server_timeout(request))
        return True
