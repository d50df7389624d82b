"""What a run of the bench leaves behind."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bench.task import Kind, Measured

GENERATOR_SHARE_MAX = 0.6
"""A generator that uses more of a core than this may be what bounds the figure."""
OTHER_SHARE_MAX = 0.3
"""With more of a core used by others the machine was not idle, and the figure is worth little."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """
    A server in a scenario.

    Attributes:
        rounds: One measurement for each round, in order.
    """

    server: str
    scenario: str
    kind: str
    rounds: tuple[Measured, ...]

    @property
    def median(self) -> Measured:
        """The round in the middle by what the scenario is about; the worse one of two."""
        by, is_more_better = _SORTED_BY.get(self.kind, (_rate, True))
        worst_first = sorted(self.rounds, key=by, reverse=not is_more_better)
        return worst_first[(len(worst_first) - 1) // 2]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before believing the figures."""
        notes = []
        generator = max(each.generator_cpu_share for each in self.rounds)
        if generator > GENERATOR_SHARE_MAX:
            notes.append(f"bounded by the generator ({generator:.0%} of a core)")
        others = max(each.other_cpu_share for each in self.rounds)
        if others > OTHER_SHARE_MAX:
            notes.append(f"others used {others:.1f} cores meanwhile")
        for name in ("undelivered", "doubled", "reordered"):
            count = sum(getattr(each, name) for each in self.rounds)
            if count:
                notes.append(f"{count} {name}")
        presences = sum(each.presence_count for each in self.rounds)
        if presences:
            per_entering = presences / sum(each.count for each in self.rounds)
            notes.append(f"{per_entering:,.0f} presences for each coming and going")
        if self.median.group is not None:
            notes += _group_notes(self.median)
        if self.median.webhooks is not None and self.median.webhooks.delay is not None:
            delay = self.median.webhooks.delay
            notes.append(f"webhook that it was sent: p50 {delay.p50_ms:.0f} ms, p99 {delay.p99_ms:.0f} ms")
        lag = max((each.lag_p99_ms or 0.0) for each in self.rounds)
        if lag > self.median_p99_ms / 2:
            notes.append(f"the generator was late itself (p99 {lag:.1f} ms)")
        return tuple(notes)

    @property
    def median_p99_ms(self) -> float:
        """The 99th percentile of latency in the median round; 0 where there is none."""
        latency = self.median.latency
        return latency.p99_ms if latency else 0.0


def _group_notes(measured: Measured) -> list[str]:
    """What a group showed besides the copies."""
    figures = measured.group
    assert figures is not None
    notes = [f"{measured.rate_per_s / figures.present_count:,.0f} messages per second"]
    if figures.returning is not None:
        notes.append(f"who comes back reads {figures.said:,} messages in {figures.returning.p50_ms:,.0f} ms")
    if figures.rows_per_message:
        stored = f"{figures.rows_per_message:.1f} rows and {figures.bytes_per_message:,.0f} bytes"
        notes.append(f"{stored} in each database for each message")
    return notes


def _rate(measured: Measured) -> float:
    return measured.rate_per_s


def _p99(measured: Measured) -> float:
    return measured.latency.p99_ms if measured.latency else float("inf")


def _memory(measured: Measured) -> float:
    return float(measured.server_memory_bytes)


_SORTED_BY: dict[str, tuple[Callable[[Measured], float], bool]] = {
    Kind.OPEN_LOOP: (_p99, False),
    Kind.SENDS_OPEN: (_p99, False),
    Kind.INCOMING: (_p99, False),
    Kind.IDLE: (_memory, False),
}


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """
    One aim of the project.

    Attributes:
        reached: None when this run did not measure it.
        detail: The figures it was judged by.
    """

    text: str
    reached: bool | None
    detail: str


class Run(msgspec.Struct, kw_only=True):
    """
    One run of the bench.

    Attributes:
        started: UTC, ISO 8601.
        machine: What it ran on, by name.
        versions: By server.
        durability: By server: what a message has reached when it is delivered or acknowledged.
        titles: By scenario.
        missing: By server: why it was not measured.
        not_offered: Server and scenario: the server lacks a mechanism.
        failures: Server, scenario and what went wrong.
    """

    started: str
    duration_s: float
    round_count: int
    machine: dict[str, str]
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    durability: dict[str, str] = msgspec.field(default_factory=dict)
    titles: dict[str, str] = msgspec.field(default_factory=dict)
    rows: list[Row] = msgspec.field(default_factory=list)
    missing: dict[str, str] = msgspec.field(default_factory=dict)
    not_offered: list[tuple[str, str]] = msgspec.field(default_factory=list)
    failures: list[tuple[str, str, str]] = msgspec.field(default_factory=list)
    goals: list[Goal] = msgspec.field(default_factory=list)

    def find(self, server: str, scenario: str) -> Row | None:
        """Return a row, if it was measured."""
        for row in self.rows:
            if row.server == server and row.scenario == scenario:
                return row
        return None
