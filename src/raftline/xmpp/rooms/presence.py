"""Presence to rooms: enter, change, leave (XEP-0045 sections 7.2, 7.6, 7.7, 7.14)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.pubsub.photos import add_update
from raftline.machine.pubsub.queries import AvatarDigestOf
from raftline.machine.rooms.commands import EnterRoom, LeaveRoom
from raftline.machine.rooms.markup import OCCUPANT_ID_NAMESPACE
from raftline.xmpp.avatars import is_empty_update
from raftline.xmpp.effects import Submit, ask
from raftline.xmpp.invites import PREAUTH_NAMESPACE, digest_of
from raftline.xmpp.payloads import parse_timestamp
from raftline.xmpp.rooms.names import USER_NAMESPACE, VERSIONS_NAMESPACE, address
from raftline.xmpp.stanza import MUC_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.element import Element
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

VERSION_CHARACTERS_MAX: Final = 64
"""Of a version of lists that is looked at (XEP-0463); ours have some twenty, and a longer one is unknown."""

_COUNT: Final = re.compile(r"\d{1,9}", re.ASCII)
_WRITTEN_BY_ROOM: Final = frozenset({MUC_NAMESPACE, USER_NAMESPACE, OCCUPANT_ID_NAMESPACE, PREAUTH_NAMESPACE})
"""What nobody sees of it: what the room writes itself, and the token of an invitation."""


def handle_presence(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Handle presence to a room. Errors and what manages subscriptions are dropped: a room has no roster.

    Raises:
        Refused: `jid-malformed` without a nickname (section 7.2.1), `bad-request` for history that is no number or
            time. What apply refuses comes as the outcome.
    """
    to = address(stanza)
    if not to.local:
        return  # the host takes no presence
    if stanza.type == "unavailable":
        yield Submit(LeaveRoom(to.local, _inside(stanza)))
    elif stanza.type == "":
        if not to.resource:
            raise Refused("jid-malformed", "modify", "Enter under a nickname.")
        digest: str = yield from ask(AvatarDigestOf(context.jid.local), str)
        yield Submit(_entrance(context, stanza, digest))


def _entrance(context: StreamContext, stanza: Stanza, digest: str) -> EnterRoom:
    """Read how somebody enters, whose picture has this hash (XEP-0398 section 4)."""
    to = address(stanza)
    request = stanza.element.child("x", MUC_NAMESPACE)
    password = history = versions = None
    if request is not None:
        versions = request.child("mav", VERSIONS_NAMESPACE)
        password = request.child("password", MUC_NAMESPACE)
        history = request.child("history", MUC_NAMESPACE)
    return EnterRoom(
        room=to.local,
        nick=to.resource,
        presence=add_update(_inside(stanza), digest),
        joins=request is not None,
        secret=context.new_id().encode(),
        password=None if password is None else password.text,
        history_count=_count(history, "maxstanzas"),
        history_chars=_count(history, "maxchars"),
        history_since_ms=_since(history),
        history_seconds=_count(history, "seconds"),
        list_since=None if versions is None else (versions.get("since") or "")[:VERSION_CHARACTERS_MAX],
        invite=shown_invitation(stanza.element),
    )


def shown_invitation(parent: Element) -> bytes:
    """Return the digest of the token that is shown (docs/rooms.md); empty for none."""
    preauth = parent.child("preauth", PREAUTH_NAMESPACE)
    return b"" if preauth is None else digest_of(preauth.get("token") or "")


def _inside(stanza: Stanza) -> bytes:
    """Write what others see of the presence."""
    children = (child for child in stanza.element.elements() if child.namespace not in _WRITTEN_BY_ROOM)
    return b"".join(child.to_bytes() for child in children if not is_empty_update(child))


def _count(history: Element | None, name: str) -> int | None:
    text = None if history is None else history.get(name)
    if text is None:
        return None
    if not _COUNT.fullmatch(text):
        raise Refused("bad-request", "modify", f"{name} is not a number.")
    return int(text)


def _since(history: Element | None) -> int | None:
    text = None if history is None else history.get("since")
    if text is None:
        return None
    try:
        return max(parse_timestamp(text, round_up=True), 0)
    except ValueError as error:
        raise Refused("bad-request", "modify", "since is not a time.") from error
