"""
Whether a message of a room mentions somebody.

A mention is a reference to the user's address, real or in the room (XEP-0372), a reply to a message of theirs
(XEP-0461), or a nickname or the address of theirs in the text, as a word of its own, whatever the case. What is
encrypted mentions nobody.

`Mentions` asks for one account of many messages, when somebody reads the list of conversations. `Names` asks for many
accounts of one message, when it is said: it looks the words of the text up instead of looking for each name in it, so
a message costs as many looks as it has words, however many members a group has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import unescape

from raftline.machine.conversations.payloads import REFERENCE_NAMESPACE, REPLY_NAMESPACE, content_of

_EXPLICIT: Final = (REFERENCE_NAMESPACE.encode(), REPLY_NAMESPACE.encode())
_PERCENT_ENCODED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_WORD: Final = re.compile(r"\w+")


class Mentions:
    """Tells whether messages of a room mention an account."""

    def __init__(self, jid: str, room: str, nicks: list[str]) -> None:
        """Take bare JIDs of the account and the room, and the account's nicknames there."""
        self._jid = jid
        self._addresses = {jid, *(f"{room}/{nick}" for nick in nicks)}
        self._names = [name.casefold() for name in (jid, *nicks)]

    def are_in(self, stanza: bytes) -> bool:
        """Tell so of a message; most are not parsed."""
        if not any(mark in stanza for mark in _EXPLICIT) and not self._may_name(stanza):
            return False
        content = content_of(stanza)
        named = [address_in(uri) for uri in content.mentions]
        if any(address in self._addresses for address in (*named, content.replies_to)):
            return True
        if content.replies_to.partition("/")[0] == self._jid:
            return True
        text = content.body.casefold()
        return any(stands_in(name, text) for name in self._names)

    def _may_name(self, stanza: bytes) -> bool:
        text = unescape(stanza.decode()).casefold()
        return any(name in text for name in self._names)


class Names:
    """
    What accounts are called in one room, by the words they are called with.

    A name without any letter or digit is known by its address alone.
    """

    def __init__(self, room: str) -> None:
        self._room = room
        self._addresses: dict[str, dict[str, None]] = {}
        self._words: dict[str, dict[tuple[str, str], None]] = {}
        """First word of a name; name and bare JID."""

    def add(self, jid: str, nicks: Iterable[str]) -> None:
        """Learn what an account is called."""
        for address in self._addresses_of(jid, nicks):
            self._addresses.setdefault(address, {})[jid] = None
        for name in _names_of(jid, nicks):
            if (word := _WORD.search(name)) is not None:
                self._words.setdefault(word[0], {})[name, jid] = None

    def remove(self, jid: str, nicks: Iterable[str]) -> None:
        """Forget an account, under the same nicknames."""
        for address in self._addresses_of(jid, nicks):
            holders = self._addresses[address]
            holders.pop(jid, None)
            if not holders:
                del self._addresses[address]
        for name in _names_of(jid, nicks):
            word = _WORD.search(name)
            if word is not None and (named := self._words.get(word[0])) is not None:
                named.pop((name, jid), None)
                if not named:
                    del self._words[word[0]]

    def mentioned_in(self, stanza: bytes) -> set[str]:
        """Return bare JIDs of those whom a message mentions."""
        content = content_of(stanza)
        found: set[str] = set()
        for address in (*map(address_in, content.mentions), content.replies_to, content.replies_to.partition("/")[0]):
            found.update(self._addresses.get(address, ()))
        text = content.body.casefold()
        for word in set(_WORD.findall(text)):
            found.update(jid for name, jid in self._words.get(word, ()) if stands_in(name, text))
        return found

    def _addresses_of(self, jid: str, nicks: Iterable[str]) -> list[str]:
        return [jid, *(f"{self._room}/{nick}" for nick in nicks)]


def stands_in(name: str, text: str) -> bool:
    """Whether a name stands in a text as a word of its own; both are without case."""
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        before, after = text[start - 1 : start], text[end : end + 1]
        if not _WORD.match(before) and not _WORD.match(after):
            return True
        start = text.find(name, start + 1)
    return False


def address_in(uri: str) -> str:
    """Return the address in a URI (RFC 5122 section 2.2); anything else stays nobody's."""
    path = uri.removeprefix("xmpp:").partition("?")[0]
    octets = _PERCENT_ENCODED.sub(lambda match: bytes.fromhex(match[1].decode()), path.encode())
    return octets.decode(errors="replace")


def _names_of(jid: str, nicks: Iterable[str]) -> list[str]:
    return [name.casefold() for name in (jid, *nicks)]
