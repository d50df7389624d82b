"""What arrives over the peer links, and which part of the driver takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.base.errors import RemoteProtocolError
from raftline.cluster.frames import (
    ChangeReply,
    ChangeRequest,
    DrainRequest,
    Farewell,
    Hello,
    JoinRequest,
    LinkFrame,
    MediaKept,
    MediaOffer,
    MediaRequest,
    OffLogStanza,
    Proposals,
    Refusal,
    StatusReply,
    StatusRequest,
    TransferFrame,
)
from raftline.cluster.succession import TransferRequest

if TYPE_CHECKING:
    from raftline.base.ids import NodeId
    from raftline.cluster.connections import InboundConnection
    from raftline.cluster.driver import Driver
    from raftline.raft.messages import Message


class PeerTraffic:
    """
    Implements `LinkObserver` for a driver.

    Whatever goes wrong in the core or in a part ends the node; what a peer did wrong is raised, and ends its link.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def link_up(self, node_id: NodeId) -> None:
        """See `LinkObserver`."""
        driver = self._driver
        if node_id == driver.leader_id:
            driver.forwarding.restart()
        driver.storage.link_up()
        driver.request_turn()

    def link_down(self, node_id: NodeId) -> None:
        """See `LinkObserver`."""
        self._unreachable(node_id)

    def peer_arrived(self, node_id: NodeId, hello: Hello) -> None:
        """See `LinkObserver`."""
        self._driver.forwarding.peer_arrived(node_id)
        self._told(node_id, hello)

    def peer_welcomed(self, node_id: NodeId, hello: Hello) -> None:
        """See `LinkObserver`."""
        self._introduced(hello)

    def _told(self, node_id: NodeId, hello: Hello) -> None:
        """Take note of what a node says of itself."""
        driver = self._driver
        driver.lives.peer_arrived(node_id, hello.incarnation)
        driver.succession.peer_told(node_id, is_unfit=hello.is_unfit)
        driver.members.peer_told(node_id, hello)
        self._introduced(hello)

    def _introduced(self, hello: Hello) -> None:
        driver = self._driver
        try:
            is_news = driver.book.introduce(hello.members, hello.membership_index)
        except ValueError as error:
            raise RemoteProtocolError(f"node {hello.node_id} names a member at no address: {error}") from error
        if is_news:
            driver.book_changed()

    def peer_gone(self, node_id: NodeId) -> None:
        """See `LinkObserver`."""
        driver = self._driver
        if driver.is_working:
            try:
                driver.raft.peer_disconnected(node_id, driver.now_ns())
            except BaseException as error:  # noqa: BLE001  as in _step
                driver.fail(error)
            self._unreachable(node_id)

    def _unreachable(self, node_id: NodeId) -> None:
        driver = self._driver
        driver.survey.peer_lost(node_id)
        if driver.subscriber is not None:
            driver.subscriber.peer_lost(node_id)
        driver.request_turn()

    def check_data(self, node_id: NodeId, data_id: bytes) -> None:
        """See `LinkObserver`."""
        self._driver.members.check_data(node_id, data_id)

    def farewell_heard(self, node_id: NodeId, farewell: Farewell) -> None:
        """See `LinkObserver`."""
        if self._driver.is_working:
            self._driver.members.farewell_heard(node_id, farewell)

    def join_requested(
        self, connection: InboundConnection, node_id: NodeId, fingerprint: str, request: JoinRequest
    ) -> None:
        """See `LinkObserver`."""
        if self._driver.is_working:
            self._driver.members.join_requested(connection, node_id, fingerprint, request)

    def transfer_requested(self, connection: InboundConnection, request: TransferFrame) -> None:
        """See `LinkObserver`."""
        driver = self._driver
        if not driver.is_working:
            return
        if not isinstance(request, MediaRequest):
            driver.upkeep.snapshots.source.asked(connection, request)
        elif driver.media is not None:
            driver.media.requested(connection, request)
        else:
            raise RemoteProtocolError("a request for a file, which this node does not keep")

    def receive_frame(self, node_id: NodeId, frame: LinkFrame) -> None:
        """See `LinkObserver`."""
        driver = self._driver
        if not driver.is_working:
            return
        if isinstance(frame, Proposals):
            driver.forwarding.receive_proposals(node_id, frame, has_space=driver.storage.has_space)
        elif isinstance(frame, OffLogStanza):
            driver.off_log.receive(driver.subscriber, node_id, frame)
            return
        elif isinstance(frame, Refusal):
            driver.forwarding.receive_refusal(frame, driver.now_ns())
        elif isinstance(frame, StatusRequest):
            driver.survey.asked(node_id, frame)
        elif isinstance(frame, StatusReply):
            driver.survey.answered(node_id, frame)
            return
        elif isinstance(frame, Hello):
            self._told(node_id, frame)
        elif isinstance(frame, TransferRequest):
            driver.succession.asked(frame, driver.now_ns())
        elif isinstance(frame, ChangeRequest):
            driver.members.change_requested(node_id, frame)
        elif isinstance(frame, ChangeReply):
            driver.members.change_answered(frame)
        elif isinstance(frame, DrainRequest):
            driver.draining.drain(is_drained=frame.is_drained)
        elif isinstance(frame, MediaOffer | MediaKept):
            self._media(node_id, frame)
            return
        else:
            self._step(node_id, frame)
        driver.request_turn()

    def _media(self, node_id: NodeId, frame: MediaOffer | MediaKept) -> None:
        media = self._driver.media
        if media is None:
            return
        if isinstance(frame, MediaOffer):
            media.offered(node_id, frame)
        else:
            media.answered(node_id, frame)

    def _step(self, node_id: NodeId, message: Message) -> None:
        if message.sender != node_id:
            raise RemoteProtocolError(f"message of node {message.sender} over the link of node {node_id}")
        driver = self._driver
        try:
            driver.raft.step(message, driver.now_ns())
        except RemoteProtocolError:
            raise
        except BaseException as error:  # noqa: BLE001  a node in an unknown state must stop, whatever the reason
            driver.fail(error)
