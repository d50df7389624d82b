"""
Stanzas: message, presence, iq (RFC 6120 section 8).

A stanza that is passed on gets a new start tag, in one canonical form, and keeps the bytes between its tags as they
were sent: `<message from='…' to='…' type='chat' id='…' xml:lang='en'>` + bytes + `</message>`. Rebuilding it from the
tree costs three times as much and is done only where the bytes do not stand on their own: they use a prefix that was
declared outside or on the start tag, or a child has to go.

Stanzas are written without a declaration of `jabber:client`, which is the default namespace of a stream over TCP
(RFC 6120 section 4.8.2); `with_namespace` adds it where a stanza stands elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from raftline.xmpp.element import XML_NAMESPACE, Element, escape_attribute
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.xmlstream import StreamFailed, parse_element

CLIENT_NAMESPACE: Final = "jabber:client"
STANZA_ERROR_NAMESPACE: Final = "urn:ietf:params:xml:ns:xmpp-stanzas"
MUC_NAMESPACE: Final = "http://jabber.org/protocol/muc"
STANZA_KINDS: Final = frozenset({"message", "presence", "iq"})
LANG: Final = f"{{{XML_NAMESPACE}}}lang"

_START_TAG: Final = re.compile(rb"<([^\s/>]+)[^>\"']*(?:(?:\"[^\"]*\"|'[^']*')[^>\"']*)*>")
_DEFAULT_NAMESPACE: Final = re.compile(rb"<[^\s/>]+(?:\s+[^\s=]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*?\s+xmlns\s*=")
_TO_BE_ESCAPED: Final = re.compile("[&<>'\"\n\t\r]").search


class Stanza:
    """
    A stanza as a client sent it.

    Attributes:
        element: The tree.
        raw: The bytes.
        kind: `message`, `presence` or `iq`.
        type: The attribute; empty when absent.
        id: The attribute; empty when absent.
        to: Prepared; None when absent.
        lang: `xml:lang`, or that of the stream (RFC 6120 section 8.1.5); empty for none.

    Raises:
        ValueError: `to` is no address.
    """

    __slots__ = ("_prefixes", "element", "id", "kind", "lang", "raw", "to", "type")

    def __init__(self, element: Element, raw: bytes, *, prefixes: tuple[bytes, ...] = (), lang: str = "") -> None:
        attributes = element.attributes
        to = attributes.get("to")
        self.element = element
        self.raw = raw
        self.kind = element.name
        self.type = attributes.get("type", "")
        self.id = attributes.get("id", "")
        self.to: JID | None = None if to is None else parse_jid(to)
        self.lang = attributes.get(LANG, lang)
        self._prefixes = prefixes

    def __repr__(self) -> str:
        return f"Stanza({self.raw!r})"

    def stamped(
        self, from_jid: JID | None, to_jid: JID | None, *, drop: Callable[[Element], bool] | None = None
    ) -> bytes:
        """
        Write the stanza for its recipient, under addresses that the server vouches for, or without those not given.

        Args:
            drop: Says which children to leave out, such as a stanza id that claims to be ours (XEP-0359 section 6).

        Attributes that RFC 6120 section 8.1 does not define are left out of the start tag.
        """
        if drop is not None and any(map(drop, self.element.elements())):
            return self._rebuilt(from_jid, to_jid, drop)
        inner = self._inner_bytes()
        if inner is None:
            return self._rebuilt(from_jid, to_jid, drop)
        head = self._start_tag(from_jid, to_jid)
        if not inner:
            return f"{head}/>".encode()
        return b"%b>%b</%b>" % (head.encode(), inner, self.kind.encode())

    def _start_tag(self, from_jid: JID | None, to_jid: JID | None) -> str:
        """`<message from='…' …` up to the bracket."""
        sender = "" if from_jid is None else f" from='{_escaped_jid(from_jid)}'"
        to = "" if to_jid is None else f" to='{_escaped_jid(to_jid)}'"
        of_type = f" type='{_escaped(self.type)}'" if self.type else ""
        stanza_id = f" id='{_escaped(self.id)}'" if self.id else ""
        lang = f" xml:lang='{_escaped(self.lang)}'" if self.lang else ""
        return f"<{self.kind}{sender}{to}{of_type}{stanza_id}{lang}"

    def _inner_bytes(self) -> bytes | None:
        """What stands between the tags; None if it depends on declarations outside."""
        raw = self.raw
        match = _START_TAG.match(raw)
        if match is None:
            return None
        end = match.end()
        if b":" in match[1] or raw.find(b"xmlns:", 0, end) >= 0:
            return None
        inner = raw[end : raw.rindex(b"</")] if end < len(raw) else b""
        for prefix in self._prefixes:
            if prefix in inner:
                return None
        return inner

    def _rebuilt(self, from_jid: JID | None, to_jid: JID | None, drop: Callable[[Element], bool] | None) -> bytes:
        attributes = {} if from_jid is None else {"from": str(from_jid)}
        if to_jid is not None:
            attributes["to"] = str(to_jid)
        if self.type:
            attributes["type"] = self.type
        if self.id:
            attributes["id"] = self.id
        if self.lang:
            attributes[LANG] = self.lang
        children = [
            child for child in self.element.children if drop is None or isinstance(child, str) or not drop(child)
        ]
        return Element(self.kind, CLIENT_NAMESPACE, attributes, children).to_bytes()


def parse_stanza(data: bytes) -> Stanza:
    """
    Read a stanza that stands alone, with or without a declaration of `jabber:client`.

    Raises:
        ValueError: It is none.
    """
    received = parse_element(with_namespace(data))
    if isinstance(received, StreamFailed):
        raise ValueError(received.condition)  # noqa: TRY004  # the text is at fault, not a type
    element = received.element
    if element.name not in STANZA_KINDS or element.namespace != CLIENT_NAMESPACE:
        raise ValueError("no stanza of a client")
    return Stanza(element, received.raw)


def with_namespace(stanza: bytes) -> bytes:
    """
    Declare `jabber:client` on the root of a stanza, for places where it is not the default namespace.

    A root that has its own default namespace is left as it is.

    Source: RFC 7395 section 3.3.3, XEP-0297 section 3.
    """
    match = _START_TAG.match(stanza)
    if match is None or b":" in match[1] or (b"xmlns" in match[0] and _DEFAULT_NAMESPACE.match(stanza)):
        return stanza
    end = match.end(1)
    return b"%b xmlns='jabber:client'%b" % (stanza[:end], stanza[end:])


def error_element(condition: str, kind: str, text: str = "", detail: str = "") -> Element:
    """
    Make `<error type='kind'><condition xmlns='…'/><text …/></error>` (RFC 6120 section 8.3.2).

    Args:
        detail: An application's own condition as `{namespace}name`; empty for none (section 8.3.4). A name may be
            followed by one attribute, as `{namespace}unsupported feature=subscribe`, or by one child with its text, as
            `{namespace}file-too-large/max-file-size=20000`.
    """
    children: list[Element | str] = [Element(condition, STANZA_ERROR_NAMESPACE)]
    if text:
        children.append(Element("text", STANZA_ERROR_NAMESPACE, {LANG: "en"}, [text]))
    if detail:
        namespace, _, name = detail[1:].rpartition("}")
        name, _, attribute = name.partition(" ")
        key, _, value = attribute.partition("=")
        name, _, child = name.partition("/")
        child_name, _, child_text = child.partition("=")
        content: list[Element | str] = [Element(child_name, namespace, None, [child_text])] if child else []
        children.append(Element(name, namespace, {key: value} if key else None, content))
    return Element("error", CLIENT_NAMESPACE, {"type": kind}, children)


def error_reply(
    element: Element,
    condition: str,
    kind: str,
    text: str = "",
    *,
    from_jid: str | None = None,
    to_jid: str | None = None,
    detail: str = "",
) -> bytes:
    """
    Write the error that answers a stanza, without its payload but the mark of who wanted to enter a room.

    Args:
        element: The stanza that failed.
        condition, kind, text, detail: As in `raftline.base.errors.Refused`.
        from_jid: Who answers; by default the address the stanza was sent to, as it was written; empty for none.
        to_jid: Who gets it; by default the `from` of the stanza.

    Source: RFC 6120 section 8.3.1.
    """
    attributes = _reply_attributes(element, "error", from_jid, to_jid)
    children = [*_entrance(element), error_element(condition, kind, text, detail)]
    return Element(element.name, CLIENT_NAMESPACE, attributes, children).to_bytes()


def without_payload(element: Element) -> Element:
    """Return what an error reply needs of a stanza."""
    return Element(element.name, element.namespace, element.attributes, _entrance(element))


def _entrance(element: Element) -> list[Element | str]:
    """Return the mark, empty, of presence that wants to enter a room: clients know the error by it (XEP-0045 7.2)."""
    wants = element.name == "presence" and element.child("x", MUC_NAMESPACE) is not None
    return [Element("x", MUC_NAMESPACE)] if wants else []


def result_reply(
    element: Element, payload: Element | None = None, *, from_jid: str | None = None, to_jid: str | None = None
) -> bytes:
    """Write the result that answers an IQ request (RFC 6120 section 8.2.3). Arguments as for `error_reply`."""
    attributes = _reply_attributes(element, "result", from_jid, to_jid)
    return Element("iq", CLIENT_NAMESPACE, attributes, [] if payload is None else [payload]).to_bytes()


def _reply_attributes(element: Element, reply_type: str, from_jid: str | None, to_jid: str | None) -> dict[str, str]:
    attributes = {
        "from": element.attributes.get("to", "") if from_jid is None else from_jid,
        "to": element.attributes.get("from", "") if to_jid is None else to_jid,
        "type": reply_type,
        "id": element.attributes.get("id", ""),
    }
    return {name: value for name, value in attributes.items() if value}


def _escaped(text: str) -> str:
    return escape_attribute(text) if _TO_BE_ESCAPED(text) else text


@lru_cache(maxsize=4096)
def _escaped_jid(jid: JID) -> str:
    return escape_attribute(str(jid))
