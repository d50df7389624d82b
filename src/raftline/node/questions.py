"""
Questions of a node's own: IQ requests to components that no client asked.

The server asks in its own name, or in that of an account that may be nowhere online, such as when it pushes
(XEP-0357). The request travels like any other, off the log, to the node that holds the component. Its answer is for an
address that names no session, so the id says which node asked (xmpp/components/stanzas.py), and the node that gets the
answer hands it back there. Off-log frames name a session; `NODE_ITSELF`, which no session is, stands for the node.

A question has an answer in any case: the component's; `service-unavailable` while it is not connected;
`remote-server-timeout` when a link, the connection or half a minute is over. Nothing is tried again here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from raftline.base.errors import Busy
from raftline.base.ids import NodeId, SessionId
from raftline.node.requests import read_iq_head, remote_server_timeout, service_unavailable
from raftline.xmpp.components.stanzas import question_id
from raftline.xmpp.element import escape_attribute

NODE_ITSELF: Final = SessionId(0)
"""Whom an off-log frame is for that brings an answer to a question; sessions count from 1."""

QUESTION_COUNT_MAX: Final = 1_024
"""Questions of one node that wait for their answers."""

ANSWER_TIMEOUT_S: Final = 30.0

_TOKEN_SIZE: Final = 12


class Questions:
    """
    The questions of one node that have no answer yet.

    Args:
        send: Sends a request to the component of a label, whose answer finds `answered`; False if it is not connected.
    """

    def __init__(self, node_id: NodeId, entropy: Callable[[int], bytes], send: Callable[[str, bytes], bool]) -> None:
        self._node_id = node_id
        self._entropy = entropy
        self._send = send
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def ask(self, label: str, sender: str, to: str, payload: bytes, *, kind: str) -> bytes:
        """See `door.Node.ask_component`."""
        if len(self._waiting) >= QUESTION_COUNT_MAX:
            raise Busy("too many questions wait for components")
        iq_id = question_id(self._node_id, self._entropy(_TOKEN_SIZE))
        addresses = f"from='{escape_attribute(sender)}' to='{escape_attribute(to)}'"
        request = f"<iq {addresses} type='{kind}' id='{iq_id}'>".encode() + payload + b"</iq>"
        head = read_iq_head(request)
        assert head is not None, "it was written here"
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[iq_id] = answer
        try:
            if not self._send(label, request):
                return service_unavailable(head.request)
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except TimeoutError:
            return remote_server_timeout(head.request)
        finally:
            del self._waiting[iq_id]

    def answered(self, stanza: bytes) -> None:
        """Take an answer; one that nobody waits for any more is dropped."""
        head = read_iq_head(stanza)
        waiting = None if head is None else self._waiting.get(head.request.iq_id.decode())
        if waiting is not None and not waiting.done():
            waiting.set_result(stanza)
