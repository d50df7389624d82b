"""Businesses behind the fake door: the real state machine, with somebody who writes to their numbers."""

from __future__ import annotations

from functools import cached_property
from typing import cast

from raftline.base.business_limits import BUSINESS_EVENT_AGE_MAX_MS, EXPIRED_EVENT_COUNT_MAX
from raftline.machine.business.commands import BusinessAction
from raftline.machine.business.ids import GraphKind, parse_graph_id
from raftline.machine.business.queries import AppNamed, Businesses, TokensOf, WaitingEvents
from raftline.machine.business.tables import Token
from raftline.machine.business.values import AppView, BusinessView, EventView
from raftline.machine.commands import KeyOrigin
from raftline.machine.outcomes import Outcome
from raftline.machine.queries import Answer, Query
from xmpp_im.playbook import DOMAIN
from xmpp_im.service import Client, Service


class BusinessState:
    """Carries commands out and answers questions; begins with the first, since most tests need none."""

    @cached_property
    def service(self) -> Service:
        """A service with an account, ann."""
        return Service("ann")

    @cached_property
    def ann(self) -> Client:
        """Her device."""
        return self.service.bind("ann")

    def apply(self, action: BusinessAction) -> Outcome:
        """Carry out a command."""
        return self.service.apply(action, KeyOrigin(self.service.key()))

    def answer(self, query: Query) -> Answer:
        """Answer a question."""
        return self.service.machine.answer(query)

    def businesses(self) -> list[BusinessView]:
        """All of them."""
        return cast("list[BusinessView]", self.answer(Businesses()))

    def tokens_of(self, app: str) -> list[Token]:
        """The tokens of an application, by its id outside."""
        return cast("list[Token]", self.answer(TokensOf(_number_of(app, GraphKind.APP))))

    def app(self, app: str) -> AppView:
        """An application, by its id outside."""
        return cast("AppView", self.answer(AppNamed(_number_of(app, GraphKind.APP))))

    def waiting(self) -> list[str]:
        """Ids of events that wait, as dead letters have them."""
        views = cast("list[EventView]", self.answer(WaitingEvents()))
        return [f"{view.event.position}-{view.event.ordinal}" for view in views]

    def let_die(self, number: str, count: int) -> None:
        """Ann writes to a number so many times, and nobody takes what its applications are told, for too long."""
        for _ in range(count):
            self.ann.write(f"<message to='{number}@{DOMAIN}' type='chat'><body>Hello?</body></message>")
        self.service.pass_time(BUSINESS_EVENT_AGE_MAX_MS // 1000)
        for _ in range(count // EXPIRED_EVENT_COUNT_MAX):
            self.service.pass_time(1)


def _number_of(text: str, kind: GraphKind) -> int:
    parsed = parse_graph_id(text)
    assert parsed is not None
    assert parsed[0] is kind
    return parsed[1]
