"""
For which chats an account wants to be alerted (XEP-0492), as its bookmarks say.

    <conference xmlns='urn:xmpp:bookmarks:1'><extensions>
      <notify xmlns='urn:xmpp:notification-settings:1'>
        <never identity-category='client' identity-type='pc'/> <on-mention/>
      </notify></extensions></conference>

Clients write this and clients read it; a server reads it before it has a device woken. It is asked for in apply, so it
costs little: nothing is parsed of an account without bookmarks, or of a bookmark without settings.
"""

from __future__ import annotations

import enum
from typing import Final

from raftline.base.ids import AccountId
from raftline.machine.context import Context
from raftline.machine.pubsub.bookmarks import BOOKMARKS_NODE
from raftline.machine.stored_xml import read_stored_xml

NOTIFY_NAMESPACE: Final = "urn:xmpp:notification-settings:1"

_MARK: Final = NOTIFY_NAMESPACE.encode()
_PLACE: Final = [
    f"{BOOKMARKS_NODE} conference",
    f"{BOOKMARKS_NODE} extensions",
    f"{NOTIFY_NAMESPACE} notify",
]
"""Where settings stand in a bookmark."""


class Alert(enum.Enum):
    """What of a chat somebody is alerted of (section 3.1)."""

    ALWAYS = "always"
    ON_MENTION = "on-mention"
    NEVER = "never"

    def covers(self, *, is_mention: bool) -> bool:
        """Tell whether a message is alerted of; `is_mention` says that it speaks to the user."""
        return self is Alert.ALWAYS or (self is Alert.ON_MENTION and is_mention)


def alert_of(
    context: Context, account_id: AccountId, chat: str, *, is_public: bool, category: str = "client", kind: str = ""
) -> Alert:
    """
    Return what of a chat an account wants to be alerted of, on devices of an identity.

    Args:
        chat: Bare JID of the room or the contact.
        is_public: It is a room that is no private group chat (`RoomSettings.is_private_group`).
        category, kind: Of the device in service discovery, such as `client` and `phone`; empty if not known.
    """
    if context.pubsub.nodes.get(account_id, BOOKMARKS_NODE) is not None:
        row = context.pubsub.items.get((account_id, BOOKMARKS_NODE, chat))
        found = None if row is None else read_alert(row.payload, category, kind)
        if found is not None:
            return found
    return Alert.ON_MENTION if is_public else Alert.ALWAYS  # section 4


def read_alert(bookmark: bytes, category: str, kind: str) -> Alert | None:
    """
    Return what a bookmark says for an identity; None when it says nothing.

    What names category and type counts before what names the category, and that before what names neither (section 4).

    Args:
        bookmark: As an item is kept.
    """
    if _MARK not in bookmark:
        return None
    reader = _Reader(category, kind)
    return reader.found if read_stored_xml(bookmark, reader) else None


class _Reader:
    """Finds the most specific setting; of equal ones the first."""

    def __init__(self, category: str, kind: str) -> None:
        self.found: Alert | None = None
        self._wanted = ((), (category,), (category, kind))
        self._rank = -1
        self._path: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if self._path == _PLACE and namespace == NOTIFY_NAMESPACE and local in _ALERTS:
            self._offer(_ALERTS[local], attributes)
        self._path.append(name)

    def end(self, name: str) -> None:
        self._path.pop()

    def text(self, data: str) -> None:
        """Settings have none."""

    def _offer(self, alert: Alert, attributes: dict[str, str]) -> None:
        category, kind = attributes.get("identity-category"), attributes.get("identity-type")
        if category is None and kind is not None:
            return  # a type of no category is nobody's (section 3.2)
        named = tuple(part for part in (category, kind) if part is not None)
        if named in self._wanted and len(named) > self._rank:
            self.found, self._rank = alert, len(named)


_ALERTS: Final = {alert.value: alert for alert in Alert}
