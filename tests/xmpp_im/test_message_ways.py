"""
The table of messages.py, row by row: what a message carries decides whether it is logged, archived, kept and copied,
and whether people are told of it.

Sources: XEP-0313 section 6.1, XEP-0160 section 3, XEP-0280 section 6.1, XEP-0334 section 4, XEP-0357 section 7, and the
text of each XEP.
"""

from __future__ import annotations

import pytest

from raftline.machine.message_commands import MessageKind, Storage
from raftline.xmpp.messages import storage_of, traits_of
from xmpp_im.playbook import stanza

ARCHIVE, OFFLINE, COPY = Storage.ARCHIVE, Storage.OFFLINE, Storage.COPY
ALL = ARCHIVE | OFFLINE | COPY
WAITS = OFFLINE | COPY
OFF_LOG = None
NOT_KEPT = Storage(0)

BODY = "<body>hi</body>"
CALL = "<{} xmlns='urn:xmpp:jingle-message:0' id='c1'/>"
HINT = "<{} xmlns='urn:xmpp:hints'/>"
MARKER = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>"
REACTIONS = "<reactions xmlns='urn:xmpp:reactions:0' id='m1'><reaction>x</reaction></reactions>"
RECEIPT = "<received xmlns='urn:xmpp:receipts' id='m1'/>"
REPLY = "<reply xmlns='urn:xmpp:reply:0' id='m1' to='bob@example.org'/>"
RETRACT = "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>"
REPLACE = "<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>"
STATE = "<{} xmlns='http://jabber.org/protocol/chatstates'/>"
THINGS = {
    "0449 sticker": "<sticker xmlns='urn:xmpp:stickers:0'/>",
    "0054 card": "<vCard xmlns='vcard-temp'/>",
    "0292 card": "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>",
    "poll": "<poll xmlns='urn:raftline:polls:0'/>",
    "event": "<event xmlns='urn:raftline:events:0'/>",
}


def way_of(inner: str, kind: str = "chat") -> Storage | None:
    """Return what is kept of a message, None when it stays off the log."""
    storage = decided(inner, kind)
    return None if storage is None else Storage(storage & ~Storage.ALERT)


def decided(inner: str, kind: str) -> int | None:
    """Return all that is decided of a message before it enters the log."""
    traits, _ = traits_of(stanza(f"<message to='bob@example.org'>{inner}</message>").element)
    return storage_of(MessageKind[kind.upper()], traits)


@pytest.mark.parametrize(
    ("inner", "way"),
    [
        pytest.param(BODY, ALL, id="text"),
        pytest.param("<encrypted xmlns='urn:xmpp:omemo:2'/>", ALL, id="0384 encrypted"),
        pytest.param("<x xmlns='jabber:x:oob'><url>https://x/y</url></x>", ALL, id="0066 file"),
        pytest.param("<file-sharing xmlns='urn:xmpp:sfs:0'/>", ALL, id="0447 file"),
        pytest.param("<geoloc xmlns='http://jabber.org/protocol/geoloc'/>", ALL, id="0080 location"),
        pytest.param("<x xmlns='jabber:x:conference' jid='r@c'/>", ALL, id="0249 invitation"),
        *[pytest.param(content, ALL, id=name) for name, content in THINGS.items()],
        pytest.param(REACTIONS, ALL, id="0444 reaction"),
        pytest.param(REPLY, OFF_LOG, id="0461 reply without content"),
        pytest.param(REPLY + BODY, ALL, id="0461 reply"),
        pytest.param(REPLACE + BODY, ALL, id="0308 correction"),
        pytest.param(RETRACT, ALL, id="0424 retraction"),
        pytest.param(RETRACT + HINT.format("no-permanent-store"), ALL, id="0424 retraction is archived"),
        pytest.param(RETRACT + HINT.format("no-store"), OFF_LOG, id="0424 retraction and 0334 no-store"),
        *[
            pytest.param(CALL.format(name), ALL, id=f"0353 {name}")
            for name in ("propose", "ringing", "proceed", "reject", "retract", "finish", "accept")
        ],
        pytest.param(RECEIPT, WAITS, id="0184 receipt"),
        pytest.param("<request xmlns='urn:xmpp:receipts'/>", OFF_LOG, id="0184 request alone"),
        pytest.param(BODY + "<request xmlns='urn:xmpp:receipts'/>", ALL, id="0184 request"),
        pytest.param(RECEIPT + HINT.format("store"), ALL, id="0184 receipt, 0334 store"),
        pytest.param(MARKER, WAITS, id="0333 marker"),
        pytest.param(MARKER + HINT.format("store"), ALL, id="0333 marker, 0334 store"),
        pytest.param("<markable xmlns='urn:xmpp:chat-markers:0'/>", OFF_LOG, id="0333 markable alone"),
        *[
            pytest.param(STATE.format(name), OFF_LOG, id=f"0085 {name}")
            for name in ("active", "composing", "paused", "inactive", "gone")
        ],
        pytest.param("<thread>t</thread>" + STATE.format("gone"), OFF_LOG, id="0085 in a thread"),
        pytest.param(BODY + STATE.format("active"), ALL, id="0085 with content"),
        pytest.param("<x xmlns='urn:unknown'/>", WAITS, id="0160 anything else"),
        pytest.param("", OFF_LOG, id="nothing"),
        pytest.param(HINT.format("store"), ALL, id="0334 store alone"),
        pytest.param(BODY + HINT.format("no-permanent-store"), WAITS, id="0334 no-permanent-store"),
        pytest.param(BODY + HINT.format("no-store"), OFF_LOG, id="0334 no-store"),
        pytest.param(BODY + HINT.format("no-copy"), ARCHIVE | OFFLINE, id="0334 no-copy"),
        pytest.param(
            BODY + HINT.format("store") + HINT.format("no-permanent-store"), WAITS, id="0334 the more careful hint"
        ),
        pytest.param(BODY + HINT.format("store") + HINT.format("no-store"), OFF_LOG, id="0334 the most careful hint"),
        pytest.param(BODY + "<private xmlns='urn:xmpp:carbons:2'/>", ARCHIVE | OFFLINE, id="0280 private"),
    ],
)
def test_chat(inner: str, way: Storage | None) -> None:
    """Messages of type chat, by what they carry."""
    assert way_of(inner) == way


@pytest.mark.parametrize(
    ("inner", "kind", "way"),
    [
        pytest.param(BODY, "normal", ALL, id="normal"),
        pytest.param(RECEIPT, "normal", WAITS, id="normal, a receipt"),
        pytest.param("<x xmlns='urn:unknown'/>", "normal", OFFLINE, id="normal, anything else is not copied"),
        pytest.param(BODY, "headline", NOT_KEPT, id="headline"),
        pytest.param(BODY + HINT.format("store"), "headline", ARCHIVE | OFFLINE, id="headline, 0334 store"),
        pytest.param(BODY, "groupchat", OFF_LOG, id="groupchat to an account"),
        pytest.param(BODY + HINT.format("store"), "error", NOT_KEPT, id="error"),
    ],
)
def test_other_types(inner: str, kind: str, way: Storage | None) -> None:
    """What the type of a message decides."""
    assert way_of(inner, kind) == way


@pytest.mark.parametrize(
    ("inner", "kind", "alerts"),
    [
        pytest.param(BODY, "chat", True, id="text"),
        pytest.param(BODY, "normal", True, id="text of type normal"),
        pytest.param("<encrypted xmlns='eu.siacs.conversations.axolotl'/>", "chat", True, id="0384 0.3 encrypted"),
        pytest.param("<encrypted xmlns='urn:xmpp:omemo:2'/>", "chat", True, id="0384 encrypted"),
        pytest.param("<openpgp xmlns='urn:xmpp:openpgp:0'/>", "chat", True, id="0373 encrypted"),
        pytest.param("<x xmlns='jabber:x:oob'><url>https://x/y</url></x>", "chat", True, id="0066 file"),
        pytest.param("<file-sharing xmlns='urn:xmpp:sfs:0'/>", "chat", True, id="0447 file"),
        pytest.param("<geoloc xmlns='http://jabber.org/protocol/geoloc'/>", "chat", True, id="0080 location"),
        pytest.param("<x xmlns='jabber:x:conference' jid='r@c'/>", "normal", True, id="0249 invitation"),
        *[pytest.param(content, "chat", True, id=name) for name, content in THINGS.items()],
        pytest.param(CALL.format("propose"), "chat", True, id="0353 propose"),
        *[
            pytest.param(CALL.format(name), "chat", False, id=f"0353 {name}")
            for name in ("ringing", "proceed", "reject", "retract", "finish", "accept")
        ],
        pytest.param(REPLY + BODY, "chat", True, id="0461 reply"),
        pytest.param(BODY + HINT.format("no-permanent-store"), "chat", True, id="0334 no-permanent-store"),
        pytest.param(BODY + HINT.format("no-copy"), "chat", True, id="0334 no-copy"),
        pytest.param(BODY + HINT.format("no-store"), "chat", False, id="0334 no-store"),
        pytest.param(HINT.format("store"), "chat", False, id="0334 store alone"),
        pytest.param("<subject>s</subject>", "normal", False, id="subject alone"),
        pytest.param(REACTIONS, "chat", False, id="0444 reaction"),
        pytest.param(REACTIONS + BODY, "chat", False, id="0444 reaction with a fallback"),
        pytest.param(REPLACE + BODY, "chat", False, id="0308 correction"),
        pytest.param(RETRACT + BODY, "chat", False, id="0424 retraction with a fallback"),
        pytest.param(RECEIPT, "chat", False, id="0184 receipt"),
        pytest.param(MARKER + HINT.format("store"), "chat", False, id="0333 marker"),
        pytest.param(STATE.format("composing"), "chat", False, id="0085 state"),
        pytest.param("<x xmlns='urn:unknown'/>", "chat", False, id="anything else"),
        pytest.param(BODY + HINT.format("store"), "headline", False, id="headline"),
        pytest.param(BODY, "error", False, id="error"),
    ],
)
def test_what_alerts(inner: str, kind: str, alerts: bool) -> None:
    """People are told of what is new, not of what concerns what is there."""
    assert bool((decided(inner, kind) or 0) & Storage.ALERT) is alerts
