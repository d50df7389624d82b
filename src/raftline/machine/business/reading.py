"""
What a message to a number says, as far as events have to know: read once, by one pass over the stored stanza.

What it looks like to a program is the edge's affair (web/cloud/webhooks); here it is found out what kind of event it
is, and what it refers to.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.machine.conversations.payloads import (
    CORRECTION_NAMESPACE,
    INSTANT_PAYLOADS,
    MARKERS_NAMESPACE,
    RECEIPTS_NAMESPACE,
    REPLY_NAMESPACE,
    RETRACTION_NAMESPACE,
)
from raftline.machine.stored_xml import read_stored_xml

BUSINESS_NAMESPACE: Final = "urn:raftline:business:0"
PLAYED_NAMESPACE: Final = "urn:raftline:played:0"
REACTIONS_NAMESPACE: Final = "urn:xmpp:reactions:0"
CHOICE_FIELD: Final = "choice"

_FORM_NAMESPACE: Final = "jabber:x:data"
_CHILD_DEPTH: Final = 2
_PLACE_LENGTH_MAX: Final = 6
_FALLBACK: Final = ("urn:xmpp:fallback:0", "fallback")
_CORRECTION: Final = (CORRECTION_NAMESPACE, "replace")
_REACTION: Final = (REACTIONS_NAMESPACE, "reactions")
_RETRACTION: Final = (RETRACTION_NAMESPACE, "retract")


class Reading(NamedTuple):
    """
    What a message says.

    Attributes:
        message_id: Its `id`; empty for none, as below.
        body: Its text, without what stands there for clients that do not know replies (XEP-0428).
        says_something: It is new, changes what was said, or reacts to it: a program is told.
        refers_to: Id of the message that it corrects, reacts to or answers (XEP-0308, XEP-0444, XEP-0461).
        is_retraction: It takes back what its command says (XEP-0424).
        received, displayed, played: Id in a receipt (XEP-0184), a marker (XEP-0333), a note that a sound was played.
        chosen: Id of an option that it chooses by a submitted form (XEP-0004) or our own element.
    """

    message_id: str
    body: str
    says_something: bool
    refers_to: str
    is_retraction: bool
    received: str
    displayed: str
    played: str
    chosen: str


def read_message(stanza: bytes) -> Reading:
    """Read a stored message; one that is not well-formed says nothing."""
    reader = _Reader()
    return reader.reading() if read_stored_xml(stanza, reader) else _Reader().reading()


class _Reader:
    """Collects from one stanza what is looked for."""

    def __init__(self) -> None:
        self._depth = 0
        self._message_id = ""
        self._ids: dict[tuple[str, str], str] = {}
        self._child = ("", "")
        self._body: list[str] = []
        self._quoted = (0, 0)
        self._is_quoting = False
        self._is_submitted = False
        self._field = ""
        self._value: list[str] | None = None
        self._chosen = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._message_id = attributes.get("id", "")
            return
        namespace, _, local = name.rpartition(" ")
        if self._depth == _CHILD_DEPTH:
            self._child = (namespace or "jabber:client", local)
            self._ids.setdefault(self._child, attributes.get("id", ""))
            self._is_quoting = self._child == _FALLBACK and attributes.get("for") == REPLY_NAMESPACE
            self._is_submitted = self._child == (_FORM_NAMESPACE, "x") and attributes.get("type") == "submit"
        elif self._is_quoting and local == "body":
            start, end = attributes.get("start", ""), attributes.get("end", "")
            if all(text.isascii() and text.isdigit() and len(text) <= _PLACE_LENGTH_MAX for text in (start, end)):
                self._quoted = (int(start), int(end))
        elif self._is_submitted and local == "field":
            self._field = attributes.get("var", "")
        elif self._is_submitted and local == "value" and self._field == CHOICE_FIELD:
            self._value = []

    def end(self, name: str) -> None:
        self._depth -= 1
        if self._value is not None:
            self._chosen = "".join(self._value)
            self._value = None

    def text(self, data: str) -> None:
        if self._value is not None:
            self._value.append(data)
        elif self._depth == _CHILD_DEPTH and self._child == ("jabber:client", "body"):
            self._body.append(data)

    def reading(self) -> Reading:
        ids = self._ids
        chosen = ids.get((BUSINESS_NAMESPACE, CHOICE_FIELD), "") or self._chosen
        is_retraction = _RETRACTION in ids
        body, (start, end) = "".join(self._body), self._quoted
        return Reading(
            message_id=self._message_id,
            body=body[:start] + body[max(start, end) :],
            says_something=bool(chosen or _REACTION in ids or ids.keys() & INSTANT_PAYLOADS) and not is_retraction,
            refers_to=ids.get(_CORRECTION, "") or ids.get(_REACTION, "") or ids.get((REPLY_NAMESPACE, "reply"), ""),
            is_retraction=is_retraction,
            received=ids.get((RECEIPTS_NAMESPACE, "received"), ""),
            displayed=ids.get((MARKERS_NAMESPACE, "displayed"), ""),
            played=ids.get((PLAYED_NAMESPACE, "played"), ""),
            chosen=chosen,
        )
