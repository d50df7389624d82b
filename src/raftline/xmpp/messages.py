"""
Messages (RFC 6121 sections 5 and 8): which way each takes, decided by one look at its children.

What a message carries decides whether it enters the log, and what is kept of it:

| carries | way | kept |
|---|---|---|
| text, encrypted payload, file, location, reaction, edit, invitation to a room, call | log | archive, offline |
| retraction | log, once it is known what it takes back | archive whatever hints say, offline |
| a `store` hint | log | archive, offline |
| receipt, chat marker, voice note played | log | offline; archive with a `store` hint alone |
| anything else that is no state | log | offline |
| chat state, real-time text, nothing | off the log | no |
| `no-store` hint, whatever it carries | off the log | no |
| type headline | log | no, unless a `store` hint asks for it |
| type error | log | no; hints are ignored |
| type groupchat | off the log, to a full JID alone | no |

Why: XEP-0313 section 6.1 asks that text of type normal and chat be archived and leaves the rest to the server; the
rest here is what a second device needs in order to show the conversation as the first one does. Receipts and markers
say nothing in an archive that the next marker does not replace, so they are archived when their sender asks for it
(XEP-0334 section 4.4), but reach a device that comes back (XEP-0160 section 3 keeps all of type normal and chat but
chat states). `no-permanent-store` takes the archive away, `no-store` all (XEP-0334 section 4); a retraction is
archived all the same (XEP-0424 section 6): without it, what it leaves in archives says nothing. Hints of errors are
those of the message that failed (XEP-0334 section 5). `no-copy` concerns copies alone.

This is the hot path: one pass over the children, one dictionary look-up each, and the stanza's bytes are never
rebuilt unless a child has to go.

Copies for the other devices of both sides (XEP-0280 section 6.1) are made of what is kept or enters the log as a signal
of a conversation: of type chat all, of type normal what has content or is a receipt or a marker. None are made of what
is marked `<private/>` or `no-copy`, or is such a copy itself, of errors, which would have to be matched with what they
answer, and of what stays off the log. `<private/>` says nothing to the recipient and is taken out.

A message with a timer (XEP-0466) goes the way of any other, and its content disappears from wherever that led when its
time is over. What stays off the log is kept nowhere; an error is not answered, and nobody's archive's.

People are told of a message though they are not connected (`Storage.ALERT`, XEP-0357) if it brings something new: text,
an encrypted payload, a file, a place, an invitation to a room, a call. They are not for what changes or comments on
what is there (edit, retraction, reaction), whatever text goes with it for clients that do not know better, nor for the
further course of a call; of an encrypted payload nobody can tell. Type headline and what is not kept alert nobody.
"""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import asdict

from raftline.base.errors import Refused
from raftline.base.ids import Position
from raftline.machine.business.reading import PLAYED_NAMESPACE
from raftline.machine.conversations.payloads import INSTANT_PAYLOADS
from raftline.machine.message_commands import MessageKind, SendEphemeral, SendMessage, SendPoll, SendSealed, Storage
from raftline.machine.pubsub.bookmarks import PRIVATE_OPTIONS
from raftline.machine.pubsub.commands import Publish
from raftline.machine.pubsub.displayed import DISPLAYED_NODE
from raftline.machine.queries import Reachable, SessionRow
from raftline.machine.timers.ephemeral import EPHEMERAL_NAMESPACE
from raftline.machine.view_once.ending import VIEW_ONCE_NAMESPACE
from raftline.xmpp.effects import Route, Submit, ask
from raftline.xmpp.ephemeral import timer_of
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.markers import MARKERS_NAMESPACE, find_marked
from raftline.xmpp.payloads import (
    CARBONS_NAMESPACE,
    DELAY_NAMESPACE,
    HINTS_NAMESPACE,
    STANZA_ID_NAMESPACE,
    blocked_by_user,
    is_delay_of_ours,
)
from raftline.xmpp.polls.reading import read_question, with_text
from raftline.xmpp.polls.words import ALL as QUESTIONS
from raftline.xmpp.retraction import RETRACTION_NAMESPACE, find_retraction
from raftline.xmpp.stanza import CLIENT_NAMESPACE
from raftline.xmpp.view_once import read_sealed, without_sealed

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.element import Element
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

# Traits of a message: a sum of these. What a child of an unknown name adds is OTHER.
CONTENT: Final = 1
SIGNAL: Final = 2
OTHER: Final = 4
STORE: Final = 8
NO_STORE: Final = 16
NO_PERMANENT_STORE: Final = 32
ORIGIN_ID: Final = 64
STANZA_ID: Final = 128
NO_COPY: Final = 256
PRIVATE: Final = 512
DELAY: Final = 1024
RETRACTION: Final = 2048
DISPLAYED: Final = 4096
EPHEMERAL: Final = 8192
MARKER: Final = 16384
ALERTING: Final = 32768
QUIET: Final = 65536
QUESTION: Final = 131072
SEALED: Final = 262144

_DROPPED: Final = STANZA_ID | PRIVATE | DELAY | DISPLAYED
"""What `is_dropped` looks for."""

_STATE: Final = 0
_CHAT_STATES: Final = "http://jabber.org/protocol/chatstates"
_RECEIPTS: Final = "urn:xmpp:receipts"

_TRAITS: Final[dict[tuple[str, str], int]] = {
    **dict.fromkeys(sorted(INSTANT_PAYLOADS), CONTENT | ALERTING),
    **{(words.namespace, words.noun): CONTENT | ALERTING | QUESTION for words in QUESTIONS},
    (VIEW_ONCE_NAMESPACE, "view-once"): CONTENT | ALERTING | SEALED,
    (CLIENT_NAMESPACE, "subject"): CONTENT,
    (CLIENT_NAMESPACE, "thread"): _STATE,
    ("urn:xmpp:sfs:0", "sources"): CONTENT,
    ("urn:xmpp:reactions:0", "reactions"): CONTENT | QUIET,  # XEP-0444
    ("urn:xmpp:message-correct:0", "replace"): CONTENT | QUIET,  # XEP-0308
    (RETRACTION_NAMESPACE, "retract"): CONTENT | QUIET | RETRACTION,  # XEP-0424
    ("urn:xmpp:fasten:0", "apply-to"): CONTENT | QUIET,  # XEP-0424 before version 0.4
    **{
        ("urn:xmpp:jingle-message:0", name): CONTENT  # XEP-0353
        for name in ("ringing", "proceed", "reject", "retract", "finish", "accept")
    },
    ("urn:xmpp:jingle-message:0", "propose"): CONTENT | ALERTING,
    ("urn:xmpp:reply:0", "reply"): _STATE,  # XEP-0461; says nothing without content
    ("urn:xmpp:fallback:0", "fallback"): _STATE,  # XEP-0428
    ("urn:xmpp:eme:0", "encryption"): _STATE,  # XEP-0380
    (_RECEIPTS, "received"): SIGNAL,  # XEP-0184
    (_RECEIPTS, "request"): _STATE,
    (MARKERS_NAMESPACE, "displayed"): SIGNAL | MARKER,  # XEP-0333
    (MARKERS_NAMESPACE, "received"): SIGNAL,  # XEP-0333 before version 0.5
    (MARKERS_NAMESPACE, "acknowledged"): SIGNAL | MARKER,
    (MARKERS_NAMESPACE, "markable"): _STATE,
    (PLAYED_NAMESPACE, "played"): SIGNAL,  # docs/business.md
    (_CHAT_STATES, "active"): _STATE,  # XEP-0085
    (_CHAT_STATES, "composing"): _STATE,
    (_CHAT_STATES, "paused"): _STATE,
    (_CHAT_STATES, "inactive"): _STATE,
    (_CHAT_STATES, "gone"): _STATE,
    ("urn:xmpp:rtt:0", "rtt"): _STATE,  # XEP-0301
    (HINTS_NAMESPACE, "store"): STORE,
    (HINTS_NAMESPACE, "no-store"): NO_STORE,
    (HINTS_NAMESPACE, "no-permanent-store"): NO_PERMANENT_STORE,
    (HINTS_NAMESPACE, "no-copy"): NO_COPY,
    (CARBONS_NAMESPACE, "private"): NO_COPY | PRIVATE,
    (CARBONS_NAMESPACE, "received"): NO_COPY | OTHER,
    (CARBONS_NAMESPACE, "sent"): NO_COPY | OTHER,
    (DELAY_NAMESPACE, "delay"): DELAY | OTHER,
    (DISPLAYED_NODE, "displayed"): DISPLAYED,  # XEP-0490
    (EPHEMERAL_NAMESPACE, "ephemeral"): EPHEMERAL,  # XEP-0466; says nothing without content or a `store` hint
    (STANZA_ID_NAMESPACE, "origin-id"): ORIGIN_ID,
    (STANZA_ID_NAMESPACE, "stanza-id"): STANZA_ID,
}

_KINDS: Final = {
    "normal": MessageKind.NORMAL,
    "chat": MessageKind.CHAT,
    "headline": MessageKind.HEADLINE,
    "error": MessageKind.ERROR,
    "groupchat": MessageKind.GROUPCHAT,
}

_CONVERSING: Final = frozenset({MessageKind.NORMAL, MessageKind.CHAT})
_ARCHIVE: Final = int(Storage.ARCHIVE)
_OFFLINE: Final = int(Storage.OFFLINE)
_COPY: Final = int(Storage.COPY)
_ALERT: Final = int(Storage.ALERT)


def register(modules: Modules) -> None:
    """Handle messages."""
    modules.message_handler = handle_message


def handle_message(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Handle a message of a client; without an address it is for the user's own account (RFC 6120 section 10.3.1).

    Raises:
        Refused: `remote-server-not-found` for another domain, `service-unavailable` for this server itself, for type
            groupchat to an account, and for what may not be kept and meets nobody online. Never for type error, which
            is not answered (RFC 6120 section 8.3.1). `bad-request` or `policy-violation` for a time to disappear at
            that cannot be kept (ephemeral.py). What apply refuses comes as the outcome.
    """
    kind = kind_of(stanza)
    to = stanza.to
    if to is None:
        to = context.jid.bare
    if kind is MessageKind.ERROR and not (to.resource and to.domain == context.domain):
        return  # RFC 6121 section 8.5.2.1.1: an error to a bare address is dropped
    if to.domain != context.domain:
        raise Refused("remote-server-not-found", "cancel", f"There is no way to {to.domain} from here.")
    if not to.local:
        raise Refused("service-unavailable", "cancel", "The server takes no messages.")
    traits, origin_id, storage, message, timer_s = prepare_message(context, stanza, kind, to)
    displayed = displayed_of(stanza.element) if traits & DISPLAYED else b""
    is_sealed = traits & SEALED != 0 and kind is not MessageKind.ERROR
    if is_sealed and (storage is None or not storage & _ARCHIVE or traits & QUESTION):
        raise Refused("not-acceptable", "modify", "What is viewed once is sent where an archive keeps the message.")
    if storage is None:
        if displayed:
            yield Submit(Publish(DISPLAYED_NODE, str(to), displayed, PRIVATE_OPTIONS))
        yield from send_off_log(context, kind, to, message, bounced=is_missed(kind, traits))
        return
    retraction = (yield from find_retraction(context, stanza, to)) if may_retract(kind, traits) else None
    marked = Position(0)
    if traits & MARKER and kind in _CONVERSING:
        marked = yield from find_marked(context, stanza.element, to)
    command = SendMessage(
        to_localpart=to.local,
        to_resource=to.resource or None,
        kind=kind,
        storage=storage,
        stanza=message,
        origin_id=origin_id,
        fingerprint=fingerprint_of(message, origin_id),
        retraction=retraction,
        displayed=displayed,
        marked=marked,
    )
    if is_sealed:
        placeholder = without_sealed(stanza, context.jid, to, partial(is_dropped, context.domain, to.domain))
        fields = asdict(command) | {"stanza": placeholder}
        yield Submit(SendSealed(**fields, timer_s=timer_s, sealed=read_sealed(stanza)))
        return
    if traits & QUESTION and kind in _CONVERSING:
        yield Submit(_asking(stanza, command, timer_s))
        return
    yield Submit(SendEphemeral(**asdict(command), timer_s=timer_s) if timer_s else command)


def _asking(stanza: Stanza, command: SendMessage, timer_s: int) -> SendPoll:
    """Return the command of a message that asks a question."""
    terms = read_question(stanza)
    fields = {**asdict(command), "stanza": with_text(command.stanza, stanza, terms)}
    return SendPoll(**fields, timer_s=timer_s, poll=terms)


def kind_of(stanza: Stanza) -> MessageKind:
    """Return the type of a message; an unknown one is normal (RFC 6121 section 5.2.2)."""
    return _KINDS.get(stanza.type, MessageKind.NORMAL)


class Prepared(NamedTuple):
    """
    A message as it goes on.

    Attributes:
        traits, origin_id: As `traits_of` returns them.
        storage: As `storage_of` returns it.
        stanza: Its bytes, for its recipient.
        timer_s: Seconds after which its content is to be gone (XEP-0466); 0 for never.
    """

    traits: int
    origin_id: str
    storage: int | None
    stanza: bytes
    timer_s: int


def prepare_message(context: StreamContext, stanza: Stanza, kind: MessageKind, to: JID) -> Prepared:
    """
    Look at a message once, and write it under its sender's address, without what only a server may say.

    Raises:
        Refused: `bad-request` or `policy-violation` for a time to disappear at that cannot be kept (ephemeral.py).
    """
    traits, origin_id = traits_of(stanza.element)
    dropped = partial(is_dropped, context.domain, to.domain) if traits & _DROPPED else None
    message = stanza.stamped(context.jid, to, drop=dropped)
    timer_s = timer_of(stanza.element) if traits & EPHEMERAL and kind is not MessageKind.ERROR else 0
    return Prepared(traits, origin_id, storage_of(kind, traits), message, timer_s)


def may_retract(kind: MessageKind, traits: int) -> bool:
    """Whether it has to be looked for what a message takes back (XEP-0424)."""
    return traits & RETRACTION != 0 and kind in _CONVERSING


def is_missed(kind: MessageKind, traits: int) -> bool:
    """Whether the sender of a message that stays off the log is told when it meets nobody."""
    return traits & (CONTENT | SIGNAL | OTHER) != 0 and kind is not MessageKind.HEADLINE


def traits_of(message: Element) -> tuple[int, str]:
    """Return the sum of what the message's children are, and its origin id, empty for none (XEP-0359 section 2.2)."""
    traits = 0
    origin_id = ""
    for child in message.children:
        if isinstance(child, str):
            continue
        trait = _TRAITS.get((child.namespace, child.name), OTHER)
        traits |= trait
        if trait == ORIGIN_ID:
            origin_id = child.attributes.get("id", "")
    return traits, origin_id


def storage_of(kind: MessageKind, traits: int) -> int | None:
    """Decide what is kept of a message, as a sum of Storage; None when it stays off the log. See the table above."""
    if kind is MessageKind.ERROR:
        return 0
    if kind is MessageKind.GROUPCHAT or traits & NO_STORE or not traits & (CONTENT | SIGNAL | OTHER | STORE):
        return None
    if kind is MessageKind.HEADLINE and not traits & STORE:
        return 0
    copied = 0
    if not traits & NO_COPY and (
        kind is MessageKind.CHAT or (kind is MessageKind.NORMAL and traits & (CONTENT | SIGNAL))
    ):
        copied = _COPY
    alerting = _ALERT if traits & (ALERTING | QUIET) == ALERTING and kind is not MessageKind.HEADLINE else 0
    if traits & (CONTENT | STORE) and (not traits & NO_PERMANENT_STORE or traits & RETRACTION):
        return _ARCHIVE | _OFFLINE | copied | alerting
    return _OFFLINE | copied | alerting


def fingerprint_of(message: bytes, origin_id: str) -> bytes:
    """
    Return 8 bytes that tell messages under one origin id apart, a hash of what stands between the tags.

    No bytes where there is no id: nothing is compared then.

    The start tag is left out, since a client that comes back under another resource sends the same message.

    Args:
        message: As `Stanza.stamped` writes it, so that the first bracket ends the start tag.
    """
    return blake2b(message[message.index(b">") :], digest_size=8).digest() if origin_id else b""


def displayed_of(message: Element) -> bytes:
    """Write how far the sender says that they have read the conversation (XEP-0490 section 3.2.3)."""
    found = message.child("displayed", DISPLAYED_NODE)
    assert found is not None, "the traits say so"
    return found.to_bytes("")


def is_dropped(domain: str, recipient_domain: str, child: Element) -> bool:
    """
    Is the child one that the recipient does not get?

    A stanza id by an account of this domain, or by a component that the message is for, as only the server gives those
    (XEP-0359 section 3), a delay by the server itself, likewise (XEP-0203 section 5), the mark that forbids copies,
    which has done its work (XEP-0280 section 9), and what is meant for the server (XEP-0490 section 3.2.3).
    """
    if is_delay_of_ours(domain, child):
        return True
    if child.namespace == CARBONS_NAMESPACE:
        return child.name == "private"
    if child.namespace == DISPLAYED_NODE:
        return child.name == "displayed"
    if child.name != "stanza-id" or child.namespace != STANZA_ID_NAMESPACE:
        return False
    try:
        by = parse_jid(child.attributes.get("by", ""))
    except ValueError:
        return False  # nobody's address, so not ours
    return by.domain in {domain, recipient_domain}


def send_off_log(context: StreamContext, kind: MessageKind, to: JID, message: bytes, *, bounced: bool) -> Steps:
    """
    Send a message to those sessions that are there now (RFC 6121 section 8.5).

    Args:
        bounced: Say so when nobody is. Headlines are dropped instead (section 8.5.2.2.1), and so are chat states alone:
            a client would show the error beside a conversation where nothing was said.
    """
    if kind is MessageKind.GROUPCHAT and not to.resource:
        raise Refused("service-unavailable", "cancel", "An account is no room.")
    question = Reachable(to.local, to.resource or None, str(context.jid))
    sessions: list[SessionRow] | None = yield from ask(question, list)
    if sessions is None:
        raise blocked_by_user()
    recipients = [session for session in sessions if session.resource == to.resource] if to.resource else []
    if not to.resource or (not recipients and kind is MessageKind.CHAT):  # the fallback of section 8.5.3.2.1
        recipients = [session for session in sessions if session.priority is not None and session.priority >= 0]
    reached = False
    for session in recipients:
        reached |= bool((yield Route(session.session_id, message)))
    if bounced and not reached:
        raise Refused("service-unavailable", "cancel", "Nobody is there to take a message that may not be kept.")
