"""Composes what tells programs of events: dispatcher, event streams, and the client that verifies and delivers."""

from __future__ import annotations

import os
from collections.abc import Callable

from raftline.base.ids import POSITION_PLACE_COUNT_MAX, Position, position_of
from raftline.node.node import LocalNode
from raftline.server.telemetry import Distribution
from raftline.web.cloud.stream import EventStreams
from raftline.web.cloud.webhooks.challenge import Challenge
from raftline.web.cloud.webhooks.client import WebhookClient
from raftline.web.cloud.webhooks.dispatcher import Dispatcher
from raftline.web.cloud.webhooks.figures import DELAY_BOUNDS_S, WebhookFigures
from raftline.web.cloud.webhooks.rendering import Service


class Webhooks:
    """
    All of it, of one node.

    Args:
        private: Whether callbacks may be on this machine and in private networks.
        wall_ms: Milliseconds since 1970.
    """

    def __init__(self, node: LocalNode, *, private: bool, wall_ms: Callable[[], int]) -> None:
        driver = node.driver

        def applied() -> Position:
            return position_of(driver.machine.applied_index, POSITION_PLACE_COUNT_MAX - 1)

        def change_count() -> int:
            return driver.machine.business_change_count

        self.client = WebhookClient(private=private)
        self.challenge = Challenge(self.client, os.urandom)
        self.streams = EventStreams(node, applied, change_count)
        self.dispatcher = Dispatcher(
            ask=driver.machine.answer,
            execute=node.execute,
            change_count=change_count,
            applied=applied,
            is_leader=lambda: driver.leader_id == driver.node_id,
            post=self.client.post,
            service=Service(node.epochs, node.domain),
            # Clocks of leaders differ, and cluster time is the greatest that any of them has told.
            cluster_ms=lambda: max(wall_ms(), driver.machine.cluster_time_ms),
        )

    def slice_applied(self) -> None:
        """Look for new events."""
        self.dispatcher.slice_applied()
        self.streams.slice_applied()


def webhook_figures(figures: WebhookFigures, lost_count: int) -> dict[str, object]:
    """Name the figures of the delivery of events; `lost_count` events were not even written (`Machine`)."""
    return {
        "delivered_total": figures.delivered_total,
        "failed_total": figures.failed_total,
        "dropped_total": figures.dropped_total,
        "lost_total": lost_count,
        "in_flight": figures.in_flight,
        "held": figures.held,
        "resting_hosts": figures.resting_hosts,
        "delay_seconds": Distribution(DELAY_BOUNDS_S, figures.delay_counts, figures.delay_seconds),
    }
