"""
Logs and metrics of a process: set up once, handed down as objects; no module keeps a global logger or registry.

Logs go to standard error, one line each: for people in colours, or as JSON for machines. Libraries that log through
the standard library come out in the same form.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

COUNTER_SUFFIX = "_total"

_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # locals hold passwords, stanzas, keys
)


def set_up_logging(level: str, form: str) -> structlog.stdlib.BoundLogger:
    """
    Direct all logs of the process.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `console` or `json`.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.types.Processor] = (
        [_TRACEBACKS, structlog.processors.JSONRenderer()]
        if form == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        foreign_pre_chain=shared,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Libraries tell their story at info; what concerns an operator they tell at warning.
    for name in ("uvicorn", "websockets", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("raftline")
    return logger


class ByLabel(NamedTuple):
    """One figure for each value of a label, such as for each node."""

    label: str
    values: Mapping[str, float]


class Distribution(NamedTuple):
    """
    Durations by classes.

    Attributes:
        bounds_s: Greatest duration of each class but the last.
        counts: How many were in each class alone; one more than bounds.
        total_seconds: The sum of all durations.
    """

    bounds_s: Sequence[float]
    counts: Sequence[int]
    total_seconds: float


class ValuesCollector:
    """
    Shows plain figures as metrics `raftline_<group>_<name>`, read when someone asks.

    A source returns a dataclass instance, a NamedTuple or a mapping. A number becomes a metric, `ByLabel` one with a
    label, `Distribution` a histogram; a name that ends in `_total` is a counter, any other a gauge; what is no number
    is left out.
    """

    def __init__(self, sources: Mapping[str, Callable[[], object]]) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics (prometheus-client's Collector protocol)."""
        for group, source in self._sources.items():
            for name, value in _fields(source()):
                metric = _metric(f"raftline_{group}_{name}", value)
                if metric is not None:
                    yield metric

    def describe(self) -> Iterable[Metric]:
        """Names are only known when asked; registering needs none."""
        return ()


def make_registry(sources: Mapping[str, Callable[[], object]]) -> CollectorRegistry:
    """Make the registry of a node: its own figures and those of the process."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(ValuesCollector(sources))
    return registry


def _fields(values: object) -> Iterable[tuple[str, Any]]:
    if dataclasses.is_dataclass(values) and not isinstance(values, type):
        return [(field.name, getattr(values, field.name)) for field in dataclasses.fields(values)]
    if isinstance(values, Mapping):
        return values.items()
    if isinstance(values, tuple) and hasattr(values, "_asdict"):
        return dict(values._asdict()).items()
    raise TypeError(f"no source of metrics: {values!r}")


def _metric(name: str, value: object) -> Metric | None:
    """Make one metric; None for what is no number."""
    if isinstance(value, ByLabel):
        labelled = _family(name, [value.label])
        for key, item in value.values.items():
            labelled.add_metric([key], float(item))
        return labelled
    if isinstance(value, Distribution):
        return _histogram(name, value)
    if not isinstance(value, int | float):
        return None
    family = _family(name, [])
    family.add_metric([], float(value))
    return family


def _histogram(name: str, value: Distribution) -> HistogramMetricFamily:
    bounds = [*map(str, value.bounds_s), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(value.counts)), strict=True))
    return HistogramMetricFamily(name, _help(name), buckets=buckets, sum_value=value.total_seconds)


def _help(name: str) -> str:
    return name.removeprefix("raftline_").removesuffix(COUNTER_SUFFIX).replace("_", " ")


def _family(name: str, labels: list[str]) -> CounterMetricFamily | GaugeMetricFamily:
    help_text = _help(name)
    if name.endswith(COUNTER_SUFFIX):
        return CounterMetricFamily(name.removesuffix(COUNTER_SUFFIX), help_text, labels=labels)
    return GaugeMetricFamily(name, help_text, labels=labels)
