"""
Which messages of an archive count in a list of conversations.

An *instant message* says something new: text, an encrypted payload, a file, a place, an invitation, a sticker, a card,
a poll, what is viewed once (`INSTANT_PAYLOADS`). What refers to another message, a correction, a reaction, a
retraction, what is left of a retracted one, is none, whatever text it carries for clients that do not understand it;
nor are receipts, markers, signals of calls, subjects, and encrypted messages that carry keys alone.

Most stanzas are told at a glance: the body comes first, and nothing in the bytes could make it a stand-in. Only the
rest is parsed, some 10 µs each.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from raftline.machine.stored_xml import read_stored_xml

RETRACTION_NAMESPACE: Final = "urn:xmpp:message-retract:1"
CORRECTION_NAMESPACE: Final = "urn:xmpp:message-correct:0"
MARKERS_NAMESPACE: Final = "urn:xmpp:chat-markers:0"
RECEIPTS_NAMESPACE: Final = "urn:xmpp:receipts"
REFERENCE_NAMESPACE: Final = "urn:xmpp:reference:0"
REPLY_NAMESPACE: Final = "urn:xmpp:reply:0"

_ENCRYPTED: Final = frozenset(
    {
        ("eu.siacs.conversations.axolotl", "encrypted"),  # OMEMO as most clients speak it (XEP-0384 0.3)
        ("urn:xmpp:omemo:1", "encrypted"),
        ("urn:xmpp:omemo:2", "encrypted"),  # XEP-0384
    }
)
"""Encrypted messages; without a `<payload/>` they carry keys alone (XEP-0384 section 5.5)."""

INSTANT_PAYLOADS: Final = _ENCRYPTED | frozenset(
    {
        ("jabber:client", "body"),
        ("urn:xmpp:openpgp:0", "openpgp"),  # XEP-0373
        ("jabber:x:encrypted", "x"),  # XEP-0027
        ("jabber:x:oob", "x"),  # XEP-0066
        ("urn:xmpp:sfs:0", "file-sharing"),  # XEP-0447
        ("http://jabber.org/protocol/geoloc", "geoloc"),  # XEP-0080
        ("jabber:x:conference", "x"),  # XEP-0249
        ("urn:xmpp:stickers:0", "sticker"),  # XEP-0449
        ("vcard-temp", "vCard"),  # XEP-0054, somebody's card
        ("urn:ietf:params:xml:ns:vcard-4.0", "vcard"),  # XEP-0292, likewise
        ("urn:raftline:polls:0", "poll"),
        ("urn:raftline:events:0", "event"),
        ("urn:raftline:view-once:0", "view-once"),
    }
)
"""Namespace and name of what makes a message an instant message."""

_REFERRING: Final = frozenset(
    {
        (CORRECTION_NAMESPACE, "replace"),  # XEP-0308
        ("urn:xmpp:reactions:0", "reactions"),  # XEP-0444
        (RETRACTION_NAMESPACE, "retract"),  # XEP-0424
        (RETRACTION_NAMESPACE, "retracted"),
        ("urn:xmpp:fasten:0", "apply-to"),  # XEP-0424 before version 0.4
        ("urn:xmpp:sfs:0", "sources"),  # XEP-0447 section 3.3
    }
)
"""What keeps a message from being one, whatever else it has."""

_REFERRING_MARKS: Final = tuple(sorted({namespace.encode() for namespace, _ in _REFERRING}))
_CHILD_DEPTH: Final = 2


class Kind(enum.Enum):
    """What a message is to a list of conversations."""

    INSTANT = "an instant message"
    CORRECTION = "the new text of one"
    OTHER = "anything else"


class Content(NamedTuple):
    """
    What a list of conversations wants to know of a message.

    Attributes:
        id: The attribute; empty for none.
        body: Its texts.
        replaces: Id of the message that it corrects; empty for none.
        replies_to: Whose message it answers (XEP-0461); empty for none.
        mentions: URIs of those whom it mentions (XEP-0372).
        received: Id in the receipt that it is (XEP-0184); empty for none.
    """

    kind: Kind
    id: str
    body: str
    replaces: str
    replies_to: str
    mentions: tuple[str, ...]
    received: str


def kind_of(stanza: bytes) -> Kind:
    """Return what a stored message is; its start tag is as `xmpp.stanza.Stanza.stamped` writes it."""
    if (
        stanza.startswith(b"<body>", stanza.index(b">") + 1)
        and (b"<encrypted" not in stanza or b"<payload" in stanza)
        and not any(mark in stanza for mark in _REFERRING_MARKS)
    ):
        return Kind.INSTANT
    return content_of(stanza).kind


def content_of(stanza: bytes) -> Content:
    """Read a stored message."""
    reader = _Reader()
    return reader.content() if read_stored_xml(stanza, reader) else _Reader().content()


class _Reader:
    """Collects from one stanza what is looked for."""

    def __init__(self) -> None:
        self._depth = 0
        self._id = ""
        self._names: set[tuple[str, str]] = set()
        self._found: dict[tuple[str, str], str] = {}
        self._mentions: list[str] = []
        self._body: list[str] = []
        self._child = ("", "")
        self._has_payload = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._id = attributes.get("id", "")
            return
        namespace, _, local = name.rpartition(" ")
        if self._depth > _CHILD_DEPTH:
            self._has_payload |= local == "payload" and self._child in _ENCRYPTED
            return
        child = self._child = (namespace or "jabber:client", local)
        self._names.add(child)
        if child == (REFERENCE_NAMESPACE, "reference"):
            if attributes.get("type") == "mention":
                self._mentions.append(attributes.get("uri", ""))
        elif child == (REPLY_NAMESPACE, "reply"):
            self._found[child] = attributes.get("to", "")
        else:
            self._found[child] = attributes.get("id", "")

    def end(self, name: str) -> None:
        self._depth -= 1
        if self._depth < _CHILD_DEPTH:
            self._child = ("", "")

    def text(self, data: str) -> None:
        if self._depth == _CHILD_DEPTH and self._child == ("jabber:client", "body"):
            self._body.append(data)

    def content(self) -> Content:
        found = self._found
        return Content(
            self._kind(),
            self._id,
            "\n".join(self._body),
            found.get((CORRECTION_NAMESPACE, "replace"), ""),
            found.get((REPLY_NAMESPACE, "reply"), ""),
            tuple(self._mentions),
            found.get((RECEIPTS_NAMESPACE, "received"), ""),
        )

    def _kind(self) -> Kind:
        referring = self._names & _REFERRING
        if referring:
            return Kind.CORRECTION if referring == {(CORRECTION_NAMESPACE, "replace")} else Kind.OTHER
        instant = self._names & INSTANT_PAYLOADS
        if instant & _ENCRYPTED and not self._has_payload:
            return Kind.OTHER
        return Kind.INSTANT if instant else Kind.OTHER
