"""Where an application is told of an event, and signed with what; remembered for a second. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.queries import Businesses, NumberNamed

if TYPE_CHECKING:
    from raftline.machine.business.tables import BusinessEvent, Callback
    from raftline.machine.business.values import BusinessView, NumberView
    from raftline.machine.queries import Answer, Query

APP_SCOPE: Final = "app"

REMEMBERED_S: Final = 1.0
"""For how long what was asked is taken for what is so."""

_COUNT_MAX: Final = 4_096


class Receiver(NamedTuple):
    """
    Who is told of an event.

    Attributes:
        url: Empty when nobody is, at present.
        secret: Of the application.
        number: That the event concerns.
    """

    url: str
    secret: bytes
    number: NumberView


class Directory:
    """
    Answers from the local replica.

    Args:
        ask: The state as it is applied here.
        now_s: A monotonic clock.
    """

    def __init__(self, ask: Callable[[Query], Answer], now_s: Callable[[], float]) -> None:
        self._ask = ask
        self._now_s = now_s
        self._until_s = 0.0
        self._receivers: dict[tuple[int, int], Receiver | None] = {}

    def receiver_of(self, event: BusinessEvent) -> Receiver | None:
        """Return who is to be told; None when application or number are gone."""
        now_s = self._now_s()
        if now_s >= self._until_s or len(self._receivers) >= _COUNT_MAX:
            self._receivers.clear()
            self._until_s = now_s + REMEMBERED_S
        key = event.app_id, event.number_id
        if key not in self._receivers:
            self._receivers[key] = self._find(*key)
        return self._receivers[key]

    def _find(self, app_id: int, number_id: int) -> Receiver | None:
        number = cast("NumberView | None", self._ask(NumberNamed(number_id)))
        if number is None:
            return None
        business_id = number.number.business_id
        found = cast("list[BusinessView]", self._ask(Businesses(business_id - 1, 1)))
        for view in found:
            for app in view.apps:
                if app.app_id == app_id:
                    return Receiver(url_of(view.callbacks, app_id, number), app.secret, number)
        return None


def url_of(callbacks: list[Callback], app_id: int, number: NumberView) -> str:
    """Return the callback that counts: that of the number before that of the business before that of the app."""
    by_scope = {callback.scope: callback.url for callback in callbacks if callback.app_id == app_id}
    scopes = (
        graph_id(GraphKind.NUMBER, number.number.number_id),
        graph_id(GraphKind.BUSINESS, number.number.business_id),
        APP_SCOPE,
    )
    return next((by_scope[scope] for scope in scopes if by_scope.get(scope)), "")
