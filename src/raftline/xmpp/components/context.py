"""What handlers see of a component's stream (module.StreamContext): somebody at the component, stanza by stanza."""

from __future__ import annotations

from collections.abc import Callable

from raftline.base.ids import Epochs, SessionId
from raftline.xmpp.jid import JID
from raftline.xmpp.module import Modules, StanzaHandler
from raftline.xmpp.outbound import Outbound


class ComponentContext:
    """
    Implements StreamContext.

    Attributes:
        jid: Whom the stanza at work is from.
        session_id: The session, once connected.
        label: Of the component; empty as long as it has not said.
        command_sessions, questions, directed_presence: As in StreamContext; nothing comes into them here.
    """

    __slots__ = (
        "_entropy",
        "_outbound",
        "command_sessions",
        "directed_presence",
        "domain",
        "epochs",
        "jid",
        "label",
        "modules",
        "questions",
        "session_id",
    )

    def __init__(
        self,
        domain: str,
        modules: Modules,
        outbound: Outbound,
        *,
        epochs: Epochs,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._outbound = outbound
        self._entropy = entropy
        self.domain = domain
        self.modules = modules
        self.epochs = epochs
        self.label = ""
        self.jid = JID("", domain, "")
        self.session_id: SessionId | None = None
        self.command_sessions: dict[str, str] = {}
        self.questions: dict[str, StanzaHandler] = {}
        self.directed_presence: set[str] = set()

    @property
    def host(self) -> str:
        """The domain that the component lives at."""
        return f"{self.label}.{self.domain}"

    def send(self, stanza: bytes) -> None:
        """Write a stanza to the component, at once and in order."""
        self._outbound.write_stanza(stanza)

    def new_id(self) -> str:
        """Draw an id for a stanza of the server's own."""
        return self._entropy(12).hex()
