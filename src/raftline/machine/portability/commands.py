"""Commands of an import (XEP-0227); of machine version 3. What clients do as well is done by their commands."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ImportedContact(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=157):
    """
    A contact as another server knew it. Idempotent.

    Attributes:
        contact: Bare JID.
        is_listed: It is in the roster; if not, only a request of it waits.
        subscription: Bits as in records.RosterEntry: each side decides by its own bits who sees it.
        ask, approved: As there.
        request: The contact's subscription request that waits for an answer, as a presence stanza; empty for none.
    """

    contact: str
    is_listed: bool
    name: str = ""
    groups: tuple[str, ...] = ()
    subscription: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    ask: bool = False
    approved: bool = False
    request: bytes = b""


class ImportedMessage(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=158):
    """
    A message that another server kept for the account; it gets the position of this command. Carried by a key.

    Nobody else hears of it. Refused with `resource-constraint` when too many wait already.

    Attributes:
        contact: Bare JID of the other side.
        sender: Bare JID of who wrote it.
        from_resource, to_resource: Empty for a bare address.
        storage: Sum of `message_commands.Storage` flags: in the archive, waiting for a device, or both.
        stanza: As in SendMessage. When it was sent stands in its first child, `<delay/>` of this domain (XEP-0203).
    """

    contact: str
    sender: str
    from_resource: str
    to_resource: str
    storage: Annotated[int, msgspec.Meta(ge=1, le=3)]
    stanza: bytes
