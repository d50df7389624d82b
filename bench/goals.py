"""The project's aims in figures, judged by ratios within one run."""

from __future__ import annotations

from collections.abc import Callable

from bench.results import Goal, Row, Run

ONE, THREE = "raftline-1", "raftline-3"
WITH_ARCHIVE, WITHOUT_ARCHIVE = "ejabberd-postgresql", "ejabberd"
LOG = "raftline-log"
P99_MS_MAX = 50.0
WEBHOOK_P99_MS_MAX = 250.0
SENDS_PER_S = 1000
CROWD_RATIO = 10
KIB = 1024


def judge(run: Run) -> list[Goal]:
    """Return every goal with its verdict."""
    return [
        _throughput(run),
        _cpu(run),
        _ahead_without_archive(run),
        _three_nodes(run),
        _three_nodes_p99(run),
        _room(run),
        _crowd(run),
        _sends(run),
        *(_log(run, peer) for peer in ("nats-jetstream", "etcd")),
        *(_idle(run, scenario, kib) for scenario, kib in (("idle-plain", 30), ("idle-tls", 60))),
    ]


Verdict = tuple[bool, str]


def _judged(text: str, rows: tuple[Row | None, ...], decide: Callable[..., Verdict]) -> Goal:
    """Judge by rows that were measured."""
    if any(row is None for row in rows):
        return Goal(text=text, reached=None, detail="not measured in this run")
    reached, detail = decide(*rows)
    return Goal(text=text, reached=reached, detail=detail)


def _rate(row: Row) -> float:
    return row.median.rate_per_s


def _cost(row: Row) -> float:
    """CPU seconds for a thousand; a row that counted nothing costs without bound."""
    cost = row.median.cpu_s_per_1000
    return float("inf") if cost is None else cost


def _rate_ratio(own: Row, peer: Row, factor: float) -> Verdict:
    ratio = _rate(own) / _rate(peer) if _rate(peer) else float("inf")
    return ratio >= factor, f"{_rate(own):,.0f}/s against {_rate(peer):,.0f}/s: {ratio:.2f} times"


def _throughput(run: Run) -> Goal:
    rows = (run.find(ONE, "chat-w1"), run.find(WITH_ARCHIVE, "chat-w1"))
    text = "One node, window 1: at least 3 times the throughput of ejabberd with PostgreSQL"
    return _judged(text, rows, lambda own, peer: _rate_ratio(own, peer, 3.0))


def _cpu(run: Run) -> Goal:
    def decide(own: Row, peer: Row) -> Verdict:
        ratio = _cost(own) / _cost(peer)
        return ratio <= 0.25, f"{_cost(own):.3f} against {_cost(peer):.3f} CPU s per 1,000: {ratio:.2f} of it"

    rows = (run.find(ONE, "chat-w1"), run.find(WITH_ARCHIVE, "chat-w1"))
    return _judged("One node, window 1: at most a quarter of its CPU per message", rows, decide)


def _ahead_without_archive(run: Run) -> Goal:
    def decide(own: Row, peer: Row) -> Verdict:
        is_ahead = _rate(own) > _rate(peer) and _cost(own) < _cost(peer)
        figures = f"{_rate(own):,.0f}/s at {_cost(own):.3f} against {_rate(peer):,.0f}/s at {_cost(peer):.3f}"
        return is_ahead, f"{figures} CPU s per 1,000"

    rows = (run.find(ONE, "chat-w1"), run.find(WITHOUT_ARCHIVE, "chat-w1"))
    return _judged("Aim: one node ahead of ejabberd without any archive, in throughput and in CPU", rows, decide)


def _three_nodes(run: Run) -> Goal:
    rows = (run.find(THREE, "chat-w1"), run.find(WITH_ARCHIVE, "chat-w1"))
    text = "Three nodes on the same cores, window 1: at least ejabberd with PostgreSQL on one"
    return _judged(text, rows, lambda own, peer: _rate_ratio(own, peer, 1.0))


def _three_nodes_p99(run: Run) -> Goal:
    def decide(own: Row) -> Verdict:
        is_complete = own.median.undelivered == 0
        return own.median_p99_ms < P99_MS_MAX and is_complete, f"{own.median_p99_ms:.1f} ms"

    text = f"Three nodes: p99 under {P99_MS_MAX:.0f} ms at 500 messages/s"
    return _judged(text, (run.find(THREE, "open-500"),), decide)


def _room(run: Run) -> Goal:
    rows = (run.find(ONE, "room"), run.find(WITHOUT_ARCHIVE, "room"))
    text = "A room of 100, ten speak, archive on: at least as many copies as ejabberd without archive"
    return _judged(text, rows, lambda own, peer: _rate_ratio(own, peer, 1.0))


def _crowd(run: Run) -> Goal:
    def decide(bounded: Row, everybody: Row) -> Verdict:
        one, other = _presences(bounded), _presences(everybody)
        cost = _cost(bounded) / _cost(everybody)
        detail = f"{one:,.0f} presences against {other:,.0f} for each, {cost:.2f} of the CPU"
        return one < other / CROWD_RATIO and cost < 1, detail

    text = f"A room of 1,000 that shows moderators only: entering costs under 1/{CROWD_RATIO} of the presences"
    return _judged(text, (run.find(ONE, "crowd-bounded"), run.find(ONE, "crowd-all")), decide)


def _sends(run: Run) -> Goal:
    def decide(own: Row) -> Verdict:
        webhooks = own.median.webhooks
        delay_ms = webhooks.delay.p99_ms if webhooks and webhooks.delay else float("inf")
        is_complete = own.median.undelivered == 0 and _rate(own) >= 0.95 * SENDS_PER_S
        detail = f"{_rate(own):,.0f}/s answered, webhook p99 {delay_ms:.0f} ms"
        return delay_ms < WEBHOOK_P99_MS_MAX and is_complete, detail

    text = (
        f"One number on three nodes: {SENDS_PER_S:,} sends/s, p99 of their webhooks under {WEBHOOK_P99_MS_MAX:.0f} ms"
    )
    return _judged(text, (run.find(THREE, f"business-{SENDS_PER_S}"),), decide)


def _presences(row: Row) -> float:
    return row.median.presence_count / row.median.count if row.median.count else float("inf")


def _log(run: Run, peer: str) -> Goal:
    rows = (run.find(LOG, "log-128"), run.find(peer, "log-128"))
    text = f"Log alone, three nodes, 256 bytes, 128 clients: at least twice {peer}"
    return _judged(text, rows, lambda own, other: _rate_ratio(own, other, 2.0))


def _idle(run: Run, scenario: str, kib_max: int) -> Goal:
    def decide(own: Row) -> Verdict:
        kib = own.median.server_memory_bytes / own.median.count / KIB
        return kib <= kib_max, f"{kib:.1f} KiB"

    kind = "TLS" if scenario == "idle-tls" else "plain"
    return _judged(f"Idle connection, {kind}: at most {kib_max} KiB", (run.find(ONE, scenario),), decide)
