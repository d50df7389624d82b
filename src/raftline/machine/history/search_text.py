"""
What of a message archives can be searched for (XEP-0431): the text of its body, of a very long one the beginning, and
between whom it went.

Never of what is encrypted: whoever encrypts puts a sentence for other clients, or the cipher text itself, into the
body. XEP-0380 section 3 marks such messages; known payloads count without the mark. Nor of messages that are not to
be kept for good (XEP-0334 section 4.1), and not the stand-in text of a retraction (XEP-0424 section 3).

The function decides what is taken out of the index again as well, from the same stanza: a change of what it returns
needs a new `search_index.FORM`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.limits import SEARCHED_TEXT_SIZE_MAX
from raftline.machine.stored_xml import read_stored_xml

_CLIENT: Final = ("", "jabber:client")
_SILENT: Final = frozenset(
    {
        "urn:xmpp:eme:0 encryption",  # XEP-0380
        "eu.siacs.conversations.axolotl encrypted",  # XEP-0384 before version 0.4
        "urn:xmpp:omemo:1 encrypted",
        "urn:xmpp:omemo:2 encrypted",  # XEP-0384
        "urn:xmpp:openpgp:0 openpgp",  # XEP-0373
        "jabber:x:encrypted x",  # XEP-0027
        "urn:xmpp:hints no-permanent-store",
        "urn:xmpp:message-retract:1 retract",
    }
)
"""Children that keep a message out of the index."""

_OTR_PREFIX: Final = "?OTR"
_BODY_DEPTH: Final = 2


class SearchText(NamedTuple):
    """`people` are bare JIDs, of the sender and the recipient; `body` is not empty."""

    people: tuple[str, ...]
    body: str


class _Reader:
    """Collects from one stanza what is looked for."""

    def __init__(self) -> None:
        self.depth = 0
        self.addresses: list[str] = []
        self.bodies: list[str] = []
        self.is_silent = False
        self._is_in_body = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1:
            self.addresses = [attributes[key] for key in ("from", "to") if key in attributes]
        elif self.depth == _BODY_DEPTH:
            namespace, _, local = name.rpartition(" ")
            self._is_in_body = local == "body" and namespace in _CLIENT
            if self._is_in_body:
                self.bodies.append("")
            elif name in _SILENT:
                self.is_silent = True

    def end(self, name: str) -> None:
        if self.depth == _BODY_DEPTH:
            self._is_in_body = False
        self.depth -= 1

    def text(self, data: str) -> None:
        if self._is_in_body:
            self.bodies[-1] += data


def search_text(stanza: bytes) -> SearchText | None:
    """Return what a message, as message_commands.SendMessage has it, is found by; None for nothing."""
    if b"<body" not in stanza:
        return None
    reader = _Reader()
    if not read_stored_xml(stanza, reader):
        return None
    body = "\n".join(reader.bodies).strip()[:SEARCHED_TEXT_SIZE_MAX]
    if not body or reader.is_silent or body.startswith(_OTR_PREFIX):
        return None
    people = dict.fromkeys(address.partition("/")[0] for address in reader.addresses)
    return SearchText(tuple(people), body)
