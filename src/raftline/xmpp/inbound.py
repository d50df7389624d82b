"""
The client's direction of a stream: what came and waits its turn, and what each element begins.

Top-level elements are handled one after the other, in the order they came (RFC 6120 section 10.1). A handler that
waits holds up those behind it; the end of the stream waits for what was sent before it.

What an element begins is a handler, or nothing. Whatever ends the stream is a handler too, which asks for just that
(effects.Close): the stream alone ends itself, and is not known here.
"""

from __future__ import annotations

from collections import deque

from raftline.base.errors import Refused
from raftline.xmpp.dispatch import handle_stanza, is_sender
from raftline.xmpp.effects import Steps, end
from raftline.xmpp.framing import Framing
from raftline.xmpp.handler_runner import HandlerRunner, is_request
from raftline.xmpp.inline_login import InlineLogin
from raftline.xmpp.login import Login
from raftline.xmpp.management import Management
from raftline.xmpp.negotiation import Step, StreamState, check_header, find_step, header_attributes, valid_jid
from raftline.xmpp.open_requests import OpenRequests
from raftline.xmpp.outbound import Outbound
from raftline.xmpp.stanza import CLIENT_NAMESPACE, LANG, STANZA_KINDS, Stanza
from raftline.xmpp.stream_context import ClientContext
from raftline.xmpp.xmlstream import ElementReceived, StreamClosed, StreamFailed, StreamOpened, XMLEvent


class Inbound:
    """One direction of one stream; arguments are the stream's own parts."""

    __slots__ = (
        "_context",
        "_framing",
        "_inline_login",
        "_lang",
        "_login",
        "_management",
        "_outbound",
        "_queue",
        "_requests",
        "_runner",
    )

    def __init__(
        self,
        framing: Framing,
        context: ClientContext,
        login: Login,
        outbound: Outbound,
        runner: HandlerRunner,
        management: Management,
        requests: OpenRequests,
        inline_login: InlineLogin,
    ) -> None:
        self._framing = framing
        self._context = context
        self._login = login
        self._outbound = outbound
        self._runner = runner
        self._management = management
        self._requests = requests
        self._inline_login = inline_login
        self._queue: deque[XMLEvent] = deque()
        self._lang = ""

    # What waits.

    @property
    def is_waiting(self) -> bool:
        """Whether something came that was not begun."""
        return bool(self._queue)

    @property
    def _has_more(self) -> bool:
        """Whether bytes came after the element at work."""
        return bool(self._queue) or self._framing.has_rest

    def receive(self, data: bytes) -> None:
        """Take bytes of the client (over WebSocket: one message)."""
        self._queue.extend(self._framing.receive(data))

    def take(self) -> XMLEvent | None:
        """Return what is to be begun now; None when there is nothing, or it has to wait."""
        queue = self._queue
        if not queue:
            return None
        if type(queue[0]) is ElementReceived:
            return None if self._runner.is_full else queue.popleft()
        # The end waits, so that what was sent before it is acknowledged.
        return None if self._runner.has_pending else queue.popleft()

    def restart(self) -> bool:
        """Expect a new header (RFC 6120 section 4.3.3); return False if something came before its time."""
        if self._has_more:
            return False
        self._framing.restart()
        self._outbound.has_header = False
        return True

    def release(self) -> bool:
        """Give back memory that an idle stream does not need."""
        return self._framing.release()

    def close(self) -> None:
        """Forget what came; nothing is read any more."""
        self._framing.close()
        self._queue.clear()

    # What it begins.

    def begin(self, event: XMLEvent) -> Steps | None:
        """Return the handler at work on what `take` returned, or None where it is done with."""
        if type(event) is ElementReceived:
            return self._begin_element(event)
        if isinstance(event, StreamOpened):
            return self._open(event)
        if isinstance(event, StreamClosed):
            self._outbound.write(self._outbound.management.final_answer())
            return end()
        assert isinstance(event, StreamFailed), event
        return end(event.condition, event.text)

    def _open(self, event: StreamOpened) -> Steps | None:
        if self._outbound.has_header:
            return end("bad-format", "This stream is open already.")
        failed = check_header(event, self._context.domain)
        self._lang = event.root.attributes.get(LANG, "")
        claimed = valid_jid(event.root.get("from"))
        failed = failed or self._login.claim(claimed)
        self.answer_header(None if claimed is None else str(claimed))
        if failed is not None:
            return end(failed.condition, failed.text)
        self._outbound.write_features(self._login.features(self._context.modules))
        return None

    def answer_header(self, to: str | None) -> None:
        """Open our direction, to whom the client says it is."""
        context = self._context
        self._outbound.write_header(header_attributes(context.domain, context.new_id(), to))

    def _begin_element(self, event: ElementReceived) -> Steps | None:
        element = event.element
        if not self._outbound.has_header:
            return end("bad-format", "A stream begins with its header.")
        state = self._login.state
        if state is StreamState.BOUND and element.namespace == CLIENT_NAMESPACE and element.name in STANZA_KINDS:
            return self._begin_stanza(event)
        step = find_step(state, element)
        if isinstance(step, StreamFailed):
            return end(step.condition, step.text)
        match step:
            case Step.START_TLS:
                return self._login.start_tls(has_more=self._has_more)
            case Step.AUTHENTICATE | Step.CONTINUE_SASL:
                return self._login.authenticate(element)
            case Step.LOG_IN:
                return self._inline_login.handle(element, lambda: self._has_more)
            case Step.MANAGE:
                return self._management.begin(element)
            case Step.CLIENT_STATE:
                self._outbound.set_client_state(active=element.name == "active")
                return None
            case Step.BIND:
                self._runner.stanza = element
                return self._login.bind(element)
            case Step.REGISTER:
                self._runner.stanza = element
                return self._login.register(element)

    def _begin_stanza(self, event: ElementReceived) -> Steps | None:
        element = event.element
        runner, context, outbound = self._runner, self._context, self._outbound
        runner.count_stanza()
        is_tracked = outbound.management.is_resumable and element.name == "iq" and is_request(element)
        if is_tracked:
            self._requests.asked(runner.number, element)
        sender = element.attributes.get("from")
        if sender is not None and not is_sender(sender, context.jid):
            return end("invalid-from")
        try:
            stanza = Stanza(element, event.raw, prefixes=self._framing.prefixes, lang=self._lang)
        except ValueError:
            outbound.refuse(element, "jid-malformed", "modify", from_jid=context.domain, number=runner.number)
            return None
        try:
            steps = handle_stanza(context, stanza)
        except Refused as refused:
            outbound.refuse(
                element, refused.condition, refused.kind, refused.text, detail=refused.detail, number=runner.number
            )
            return None
        if is_tracked and stanza.to is not None and stanza.to.resource:
            self._requests.routed(runner.number, stanza)
        if steps is not None:
            runner.stanza = element
        return steps
