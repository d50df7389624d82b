"""
The server's direction of a stream: what was written and not yet sent, and what of it counts.

Everything the client gets passes here, so here is where stanzas are counted for stream management and where nothing
is written any more once the stream was ended.
"""

from __future__ import annotations

from raftline.xmpp.element import Element
from raftline.xmpp.framing import Framing, stream_error
from raftline.xmpp.stanza import error_reply, result_reply
from raftline.xmpp.xeps.xep_0198_stream_management import AnswerSent, StreamManagement, Tracked
from raftline.xmpp.xeps.xep_0352_client_state import ClientState


class Outbound:
    """
    One direction of one stream.

    Attributes:
        management: Counts what is sent.
        client_state: Holds back what an inactive client can do without.
        has_header: Our header was written, since the last restart.
        is_closed: Our end tag was written, or nobody is there to read it.
        unsent_bytes: Of stanzas written since the last `take`.
        recipient: Full JID that replies are addressed to; empty before the bind, None for whoever each stanza is from.
    """

    __slots__ = (
        "_framing",
        "_written",
        "client_state",
        "has_header",
        "is_closed",
        "management",
        "recipient",
        "unsent_bytes",
    )

    def __init__(self, framing: Framing, management: StreamManagement) -> None:
        self._framing = framing
        self._written: list[bytes] = []
        self.management = management
        self.client_state = ClientState()
        self.has_header = False
        self.is_closed = False
        self.recipient: str | None = ""
        self.unsent_bytes = 0

    def write_header(self, attributes: dict[str, str]) -> None:
        """Open our direction (RFC 6120 section 4.2)."""
        self.has_header = True
        self._written.append(self._framing.header(attributes))

    def write_features(self, features: list[Element]) -> None:
        """Tell what is on offer (RFC 6120 section 4.3.2)."""
        self._written.append(self._framing.stream_element("features", features))

    def write(self, element: bytes) -> None:
        """Write an element that is no stanza; it does not count. Empty bytes are nothing."""
        if element and not self.is_closed:
            self._written.append(self._framing.element(element))

    def write_stanza(self, stanza: bytes, tracked: Tracked | None = None) -> None:
        """
        Write a stanza; `tracked` is what its acknowledgement will tell, if anything.

        While the client is inactive, what can wait is held back, and everything else first lets out what was.
        """
        if self.client_state.is_inactive:
            if tracked is None and self.client_state.hold(stanza):
                return
            self._release_held()
        self._write_counted(stanza, tracked)

    def set_client_state(self, *, active: bool) -> None:
        """Take note that somebody looks at the client, or nobody does (XEP-0352 section 4)."""
        self.client_state.is_inactive = not active
        if active:
            self._release_held()

    def _release_held(self) -> None:
        for stanza in self.client_state.release():
            self._write_counted(stanza, None)

    def _write_counted(self, stanza: bytes, tracked: Tracked | None) -> None:
        if not self.is_closed:
            data = self._framing.element(stanza)
            self._written.append(data)
            self.unsent_bytes += len(data)
            if self.management.is_enabled:
                self.management.count_sent(tracked)

    def reply(self, iq: Element, payload: Element | None, *, number: int) -> None:
        """Answer the IQ request of stanza `number` with a result (RFC 6120 section 8.2.3)."""
        self.write_stanza(result_reply(iq, payload, to_jid=self.recipient), AnswerSent(number))

    def refuse(
        self,
        stanza: Element,
        condition: str,
        kind: str,
        text: str = "",
        *,
        from_jid: str | None = None,
        detail: str = "",
        number: int = 0,
    ) -> None:
        """Answer with an error, unless the stanza is an answer itself (RFC 6120 section 8.3.1)."""
        if stanza.get("type") not in {"error", "result"}:
            reply = error_reply(stanza, condition, kind, text, from_jid=from_jid, to_jid=self.recipient, detail=detail)
            self.write_stanza(reply, AnswerSent(number) if number and stanza.name == "iq" else None)

    def close(self, condition: str, text: str, detail: Element | None) -> None:
        """Write the stream error, if there is a condition, and our end tag (RFC 6120 sections 4.4, 4.9)."""
        if condition:
            self._written.append(stream_error(self._framing, condition, text, detail))
        if self.has_header:
            self._written.append(self._framing.footer())
        self.is_closed = True

    def discard(self) -> None:
        """Forget what was written: nobody is there to read it."""
        self._written.clear()
        self.is_closed = True

    def take(self) -> list[bytes]:
        """Return what was written and forget it."""
        written, self._written = self._written, []
        self.unsent_bytes = 0
        return written
