"""
IQ requests that left for another node and have no answer yet, so that a lost link is answered for. Pure.

Stanzas are taken as the protocol floor stamps them: `from`, `to`, `type` and `id` on the start tag, which is all that
is read here. An answer is told by its addresses, turned round, and its id.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from xml.sax.saxutils import unescape

from raftline.base.ids import NodeId, SessionId

_START_TAG: Final = re.compile(rb"""<iq((?:\s+[^\s=<>'"/]+\s*=\s*(?:'[^'<]*'|"[^"<]*"))*)\s*/?>""")
_ATTRIBUTE: Final = re.compile(rb"""([^\s=<>'"/]+)\s*=\s*('[^'<]*'|"[^"<]*")""")
_SENDER: Final = re.compile(rb"""<(?:message|presence|iq) from='([^'<]*)'""")
_ON_BEHALF: Final = re.compile(rb"([0-9]{1,19})\.(.*)", re.DOTALL)
_REQUEST_TYPES: Final = frozenset({b"get", b"set"})
_ANSWER_TYPES: Final = frozenset({b"result", b"error"})


class IqAddress(NamedTuple):
    """
    What names an IQ request.

    Values are as on the wire, escaped, without quotes.
    """

    sender: bytes
    receiver: bytes
    iq_id: bytes


class IqHead(NamedTuple):
    """Start tag of an IQ: the request it is or answers."""

    is_request: bool
    request: IqAddress


def read_iq_head(stanza: bytes) -> IqHead | None:
    """Return what kind of IQ a stanza is; None if it is none, or lacks what an IQ must have."""
    if not stanza.startswith(b"<iq"):
        return None
    tag = _START_TAG.match(stanza)
    if tag is None:
        return None
    attributes = {name: value[1:-1] for name, value in _ATTRIBUTE.findall(tag[1])}
    sender, receiver, iq_id = attributes.get(b"from"), attributes.get(b"to"), attributes.get(b"id")
    kind = attributes.get(b"type")
    if sender is None or receiver is None or iq_id is None:
        return None
    if kind in _REQUEST_TYPES:
        return IqHead(True, IqAddress(sender, receiver, iq_id))
    if kind in _ANSWER_TYPES:
        return IqHead(False, IqAddress(receiver, sender, iq_id))
    return None


def jid_of(attribute: bytes) -> str:
    """Return a JID as text from its escaped form."""
    return unescape(attribute.decode(), {"&apos;": "'", "&quot;": '"', "&#39;": "'", "&#34;": '"'})


def domain_of(jid: str) -> str:
    """Return the domain of a JID."""
    return jid.partition("/")[0].rpartition("@")[2]


def sender_of(stanza: bytes) -> bytes | None:
    """Return who sent a stanza, as it is written there; None if it does not say."""
    match = _SENDER.match(stanza)
    return None if match is None else match[1]


def asked_on_behalf(request: IqAddress) -> tuple[SessionId, IqAddress] | None:
    """
    Return which session asked, and the request as it asked it, where a service asks on its behalf.

    A service that hands on requests under addresses of its own, such as a room, puts the session's number and a dot in
    front of the id.
    """
    match = _ON_BEHALF.fullmatch(request.iq_id)
    return None if match is None else (SessionId(int(match[1])), request._replace(iq_id=match[2]))


def on_behalf(request: IqAddress, session_id: SessionId) -> IqAddress:
    """Return the request as a service has handed it on for a session."""
    return request._replace(iq_id=b"%d.%b" % (session_id, request.iq_id))


def remote_server_timeout(request: IqAddress) -> bytes:
    """Answer a request whose receiver can no longer be reached (RFC 6120 section 8.3.3.16)."""
    return _error(request, b"wait", b"remote-server-timeout")


def service_unavailable(request: IqAddress) -> bytes:
    """Answer a request that its receiver does not take (RFC 6120 section 8.3.3.19)."""
    return _error(request, b"cancel", b"service-unavailable")


def _error(request: IqAddress, kind: bytes, condition: bytes) -> bytes:
    sender, receiver, iq_id = (value.replace(b"'", b"&apos;") for value in request)
    return (
        b"<iq from='"
        + receiver
        + b"' to='"
        + sender
        + b"' type='error' id='"
        + iq_id
        + b"'><error type='"
        + kind
        + b"'><"
        + condition
        + b" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )


class OutstandingRequests:
    """
    Requests without an answer, by the node they went to; at most `count_max` for each.

    Beyond the bound the oldest is given up, and answered for like one whose link was lost.
    """

    def __init__(self, *, count_max: int) -> None:
        self._count_max = count_max
        self._by_node: dict[NodeId, dict[IqAddress, None]] = {}

    def sent(self, node_id: NodeId, request: IqAddress) -> IqAddress | None:
        """
        Note a request.

        Returns: One that is given up for it, if there are too many.
        """
        waiting = self._by_node.setdefault(node_id, {})
        waiting[request] = None
        if len(waiting) <= self._count_max:
            return None
        oldest = next(iter(waiting))
        del waiting[oldest]
        return oldest

    def answered(self, request: IqAddress) -> None:
        """Note that a request has its answer."""
        for waiting in self._by_node.values():
            waiting.pop(request, None)

    def lost(self, node_id: NodeId) -> list[IqAddress]:
        """Return and forget the requests under way to a node that cannot be reached any more."""
        return list(self._by_node.pop(node_id, ()))
