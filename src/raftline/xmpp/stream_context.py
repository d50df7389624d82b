"""
What handlers see of a bound stream: the one StreamContext (module.py) that is not a test's.

It holds parts of the stream and not the stream, so that what holds it (arrivals.py, handlers at work) makes no cycle
of references: an ended connection is freed at once. Nor can a handler end or drive the stream that runs it; it asks,
by an effect.
"""

from __future__ import annotations

from collections.abc import Callable

from raftline.base.ids import Epochs, SessionId
from raftline.xmpp.jid import JID
from raftline.xmpp.login import Login
from raftline.xmpp.module import Modules, StanzaHandler
from raftline.xmpp.outbound import Outbound


class ClientContext:
    """
    Implements StreamContext; arguments are the stream's own parts.

    Attributes:
        domain: The domain of this service.
        epochs: First part of stanza ids.
        modules: All modules of this service.
        command_sessions: Ad-hoc commands that were begun and are not done.
        questions: Who takes the answers to requests of the server's own.
        directed_presence: JIDs that were sent directed presence and are due a farewell.
    """

    __slots__ = (
        "_entropy",
        "_login",
        "_outbound",
        "command_sessions",
        "directed_presence",
        "domain",
        "epochs",
        "modules",
        "questions",
    )

    def __init__(
        self,
        domain: str,
        modules: Modules,
        login: Login,
        outbound: Outbound,
        *,
        epochs: Epochs,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._login = login
        self._outbound = outbound
        self._entropy = entropy
        self.domain = domain
        self.modules = modules
        self.epochs = epochs
        self.command_sessions: dict[str, str] = {}
        self.questions: dict[str, StanzaHandler] = {}
        self.directed_presence: set[str] = set()

    @property
    def jid(self) -> JID:
        """The full JID that is bound."""
        jid = self._login.jid
        assert jid is not None, "only handlers of bound streams ask"
        return jid

    @property
    def session_id(self) -> SessionId | None:
        """The session, once bound."""
        return self._login.session_id

    def send(self, stanza: bytes) -> None:
        """Write a stanza to the client, at once and in order; it counts for stream management."""
        self._outbound.write_stanza(stanza)

    def new_id(self) -> str:
        """Draw an id for a stanza of the server's own."""
        return self._entropy(12).hex()
