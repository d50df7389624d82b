"""What apply and the answers to questions know of push notifications."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.machine.context import Context
from raftline.machine.outcomes import Outcome
from raftline.machine.push import outbox, registrations
from raftline.machine.push.commands import AnswerNotification, DisablePush, EnablePush
from raftline.machine.push.queries import PushNotifications, PushServices
from raftline.machine.queries import Answer, Query
from raftline.machine.records import Session

PUSH_HANDLERS: Final[Mapping[type, Callable[[Context, Any], Outcome]]] = MappingProxyType(
    {AnswerNotification: outbox.answer_notification}
)

PUSH_SESSION_HANDLERS: Final[Mapping[type, Callable[[Context, Session, Any], Outcome]]] = MappingProxyType(
    {EnablePush: registrations.enable_push, DisablePush: registrations.disable_push}
)

PUSH_ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType(
    {PushServices: outbox.services, PushNotifications: outbox.waiting_notifications}
)
