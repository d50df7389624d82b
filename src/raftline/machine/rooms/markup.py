"""
What apply itself writes of XML: it alone knows under which name an occupant speaks, and what is stored is complete.

Bytes are spliced, never parsed: a stanza of a command begins with the name of its root and ends with its end tag.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final
from xml.sax.saxutils import escape

OCCUPANT_ID_NAMESPACE: Final = "urn:xmpp:occupant-id:0"
USER_NAMESPACE: Final = "http://jabber.org/protocol/muc#user"
RETRACT_NAMESPACE: Final = "urn:xmpp:message-retract:1"
MODERATE_NAMESPACE: Final = "urn:xmpp:message-moderate:1"

_QUOTES: Final = {"'": "&apos;", '"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
_ROOT: Final = len(b"<message")


def quoted(text: str) -> str:
    """Escape an attribute value for single quotes."""
    return escape(text, _QUOTES)


def text_element(name: str, text: str) -> str:
    """Write an element with text, or nothing where there is none."""
    return f"<{name}>{escape(text)}</{name}>" if text else ""


@lru_cache(maxsize=4096)
def _from_attribute(jid: str) -> bytes:
    return f" from='{quoted(jid)}'".encode()


def sent_from(stanza: bytes, jid: str) -> bytes:
    """Write who a message without addresses is from."""
    return stanza[:_ROOT] + _from_attribute(jid) + stanza[_ROOT:]


def with_child(stanza: bytes, child: bytes) -> bytes:
    """Put a child behind the others of a message."""
    if stanza.endswith(b"/>"):
        return b"%b>%b</message>" % (stanza[:-2], child)
    end = stanza.rindex(b"</")
    return b"%b%b%b" % (stanza[:end], child, stanza[end:])


@lru_cache(maxsize=4096)
def occupant_id(secret: bytes, jid: str) -> str:
    """Return the id of an account in a room: stable, and telling nothing of the address (XEP-0421)."""
    return hashlib.blake2b(jid.encode(), digest_size=20, key=secret, person=b"raftline-occupan").hexdigest()


@lru_cache(maxsize=4096)
def occupant_id_element(secret: bytes, jid: str) -> bytes:
    """Write that id as an element."""
    return f"<occupant-id xmlns='{OCCUPANT_ID_NAMESPACE}' id='{occupant_id(secret, jid)}'/>".encode()


def subject_message(room: str) -> bytes:
    """Write the subject of a room that has none (XEP-0045 section 7.2.15)."""
    return f"<message from='{quoted(room)}' type='groupchat'><subject/></message>".encode()


def real_address(jid: str) -> bytes:
    """Write whose an archived message is, for those who may know (XEP-0313 section 6.1.2)."""
    return f"<x xmlns='{USER_NAMESPACE}'><item jid='{quoted(jid)}'/></x>".encode()


def invitation(room: str, inviter: str, to: str, *, reason: str = "", thread: str = "", password: str = "") -> bytes:
    """Write what an invited account gets (XEP-0045 section 7.8.2)."""
    continued = f"<continue thread='{quoted(thread)}'/>" if thread else ""
    inner = f"<invite from='{quoted(inviter)}'>{text_element('reason', reason)}{continued}</invite>"
    inner += text_element("password", password)
    return (
        f"<message from='{quoted(room)}' to='{quoted(to)}'><x xmlns='{USER_NAMESPACE}'>{inner}</x></message>"
    ).encode()


def refusal(room: str, invitee: str, to: str, *, reason: str) -> bytes:
    """Write what the inviter gets when an invitation is declined (XEP-0045 section 7.8.2)."""
    inner = f"<decline from='{quoted(invitee)}'>{text_element('reason', reason)}</decline>"
    return (
        f"<message from='{quoted(room)}' to='{quoted(to)}'><x xmlns='{USER_NAMESPACE}'>{inner}</x></message>"
    ).encode()


def decision(room: str, to: str, namespace: str, *, is_approved: bool, password: str = "") -> bytes:
    """
    Write what is told to who asked to be a member: who may come is invited, as any client understands.

    Args:
        password: Of the room; empty for none.
    """
    word = "approved" if is_approved else "declined"
    inner = f"<body>Your request to join {escape(room)} was {word}.</body>"
    if is_approved:
        invite = f"<invite from='{quoted(room)}'/>{text_element('password', password)}"
        inner += f"<x xmlns='{USER_NAMESPACE}'>{invite}</x>"
    inner += f"<join-request xmlns='{namespace}' decision='{word}'/>"
    return f"<message from='{quoted(room)}' to='{quoted(to)}'>{inner}</message>".encode()


def moderation(room: str, message_id: str, stanza_id: str, *, by: str, moderator: bytes, reason: str) -> bytes:
    """
    Write the retraction that a moderator made (XEP-0425 section 4.1).

    Args:
        stanza_id: Of the retracted message.
        by: The moderator's address in the room.
        moderator: Its occupant id, as an element.
    """
    head = f"<message from='{quoted(room)}' type='groupchat' id='{quoted(message_id)}'>"
    opened = f"<retract id='{quoted(stanza_id)}' xmlns='{RETRACT_NAMESPACE}'>"
    moderated = f"<moderated by='{quoted(by)}' xmlns='{MODERATE_NAMESPACE}'>{moderator.decode()}</moderated>"
    return f"{head}{opened}{moderated}{text_element('reason', reason)}</retract></message>".encode()


def moderated_mark(by: str, moderator: bytes, reason: str) -> bytes:
    """Write who retracted a message and why, for its tombstone (XEP-0425 section 5)."""
    moderated = f"<moderated by='{quoted(by)}' xmlns='{MODERATE_NAMESPACE}'>{moderator.decode()}</moderated>"
    return f"{moderated}{text_element('reason', reason)}".encode()


def tombstone(stanza: bytes, author: bytes, *, stamp: str, message_id: str, inside: bytes = b"") -> bytes:
    """
    Write what stays of a retracted message (XEP-0424 section 5, XEP-0425 section 5).

    Args:
        stanza: The message; its start tag stays.
        author: Occupant id of who had written it, as an element.
        stamp: When it was retracted (XEP-0082).
        message_id: `id` of the message that retracted it.
        inside: What is said of the retraction.
    """
    head = stanza[: stanza.index(b">")].removesuffix(b"/")
    opened = f"<retracted stamp='{stamp}' id='{quoted(message_id)}' xmlns='{RETRACT_NAMESPACE}'>".encode()
    return b"%b>%b%b%b</retracted></message>" % (head, author, opened, inside)
