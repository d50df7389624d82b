"""
What travels off the log: stanzas for sessions of any node, and questions of this node's own (questions.py).

A session of another node is found by what the last answer of the replica said of its place. An IQ request is
remembered until its answer passes, so that a lost link is an answer too (requests.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.ids import NodeId, SessionId
from raftline.machine.components.queries import ComponentAt
from raftline.machine.queries import Block, BlockBetween, SessionAt, SessionRow
from raftline.node.questions import NODE_ITSELF, Questions
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
from raftline.xmpp.components.stanzas import asking_node

if TYPE_CHECKING:
    from raftline.node.node import LocalNode

LOCATION_COUNT_MAX: Final = 65_536
"""Sessions of other nodes whose place is remembered."""

REQUEST_COUNT_MAX: Final = 8_192
"""IQ requests to one other node that have no answer yet."""


class Routes:
    """The routes of one node; arguments are the node's own."""

    def __init__(self, node: LocalNode, entropy: Callable[[int], bytes]) -> None:
        self._node = node
        self._driver = node.driver
        self._locations: dict[SessionId, NodeId] = {}
        self._requests = OutstandingRequests(count_max=REQUEST_COUNT_MAX)
        self._local_stanzas: list[tuple[SessionId, bytes]] = []
        self._questions = Questions(node.driver.node_id, entropy, self._send_question)

    def remember(self, row: SessionRow) -> None:
        """Take note of where a session is."""
        if row.node_id in {self._driver.node_id, 0}:
            self._locations.pop(row.session_id, None)
        else:
            if len(self._locations) >= LOCATION_COUNT_MAX:
                del self._locations[next(iter(self._locations))]
            self._locations[row.session_id] = row.node_id

    async def ask_component(self, sender: str, to: str, payload: bytes, *, kind: str) -> bytes:
        """See `door.Node`."""
        label, _, rest = domain_of(to).partition(".")
        if rest != self._node.domain:
            raise Refused("remote-server-not-found", "cancel")
        return await self._questions.ask(label, sender, to, payload, kind=kind)

    def _send_question(self, label: str, request: bytes) -> bool:
        row = self._driver.machine.answer(ComponentAt(label))
        if type(row) is not SessionRow:
            return False
        self.remember(row)
        return self.route(row.session_id, request)

    def route(self, session_id: SessionId, stanza: bytes) -> bool:
        """See `door.Node`. A session of another node is known once `ask` has told of it."""
        if self._node.session_of(session_id) is not None:
            self._deliver_soon(session_id, stanza)
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

    def route_to_node(self, node_id: NodeId, stanza: bytes) -> None:
        """See `door.Node`."""
        if node_id == self._driver.node_id:
            self._deliver_soon(NODE_ITSELF, stanza)
        else:
            self._driver.send_off_log(node_id, NODE_ITSELF, stanza)

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
        if session_id == NODE_ITSELF:
            self._questions.answered(stanza)
            return
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
            if session_id == NODE_ITSELF:
                self._deliver_stanza(session_id, stanza)
            elif head is not None and head.is_request:
                self._refuse(head.request)  # the sender's node did not know yet that the session is over
            return
        if self._has_blocked(session, stanza):
            if head is not None and head.is_request:
                self._refuse(head.request)
            return
        self._deliver_stanza(session_id, stanza)

    def _has_blocked(self, session: LocalSession, stanza: bytes) -> bool:
        """
        Tell whether the account of a session has blocked the sender (XEP-0191 section 3.3).

        The sender's node looked as well, but may not have known yet.
        """
        sender = sender_of(stanza)
        if sender is None:
            return False
        return self._driver.machine.answer(BlockBetween(session.full_jid, jid_of(sender))) is Block.USER

    def _refuse(self, request: IqAddress) -> None:
        """Answer a request like an account that is not there."""
        sender = jid_of(request.sender)
        asking = asking_node(request.iq_id.decode()) if "/" not in sender else None
        if asking is not None:
            self.route_to_node(asking, service_unavailable(request))
            return
        label, _, rest = domain_of(sender).partition(".")
        localpart, resource = sender.partition("@")[0], sender.partition("/")[2]
        question = ComponentAt(label) if rest == self._node.domain else SessionAt(localpart, resource)
        row = self._driver.machine.answer(question)
        if type(row) is SessionRow:
            self.remember(row)
            self.route(row.session_id, service_unavailable(request))

    def peer_lost(self, node_id: NodeId) -> None:
        """See `cluster.driver.Subscriber`: requests under way to that node are answered for."""
        for request in self._requests.lost(node_id):
            self._answer_for(request)

    def _answer_for(self, request: IqAddress) -> None:
        sender = jid_of(request.sender)
        session = self._node.session_at(sender) or self._node.session_at(domain_of(sender))
        if session is None and "/" not in sender:
            self._questions.answered(remote_server_timeout(request))
            return
        on_behalf = asked_on_behalf(request) if session is None else None
        if on_behalf is not None:
            session_id, request = on_behalf
            session = self._node.session_of(session_id)
        if session is not None:
            self._deliver_soon(session.session_id, remote_server_timeout(request))
