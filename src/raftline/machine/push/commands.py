"""Commands of push notifications. All count from machine version 3 on."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raftline.base.ids import Position
from raftline.machine.tables import NATURAL


class EnablePush(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=118):
    """
    Notify the session's device through a node of a push service (XEP-0357 section 5).

    What is enabled already gets these options, and belongs to this device from here on. Refused with
    `resource-constraint` for too many registrations, `not-acceptable` for what is too large.

    Attributes:
        service: JID of the service.
        node: Empty for none.
        options: The form of publish options as XML, for a place without a default namespace; empty for none.
    """

    service: str
    node: str
    options: bytes = b""


class DisablePush(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=119):
    """
    Notify nobody through a node of a service any more, or through any of its nodes (XEP-0357 section 6). Idempotent.

    Attributes:
        node: None for all nodes of the service.
    """

    service: str
    node: str | None = None


class AnswerNotification(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=120):
    """
    A service has answered what was published to it. Idempotent; an answer to nothing has no effect.

    Whoever proposes it vouches for the service: an answer counts only if the notification was that service's.

    Attributes:
        position, registration_id: Name the notification.
        error_type: Type of the stanza error it answered; empty for a result.
    """

    service: str
    position: Annotated[Position, NATURAL]
    registration_id: Annotated[int, NATURAL]
    error_type: str = ""


PushAction = EnablePush | DisablePush | AnswerNotification

PUSH_ACTIONS: Final[tuple[type, ...]] = (EnablePush, DisablePush, AnswerNotification)
