"""The metrics that a node exports, by name, as Prometheus stores them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from raftline.base.ids import LogIndex
from raftline.cluster.media.media import MediaMetrics
from raftline.cluster.metrics import initial_metrics
from raftline.gateway.server import GatewayFigures
from raftline.server.figures import cluster_figures, gateway_figures
from raftline.server.telemetry import make_registry
from raftline.server.uploads import media_figures
from raftline.server.webhooks import webhook_figures
from raftline.web.cloud.webhooks.figures import DELAY_BOUNDS_S, WebhookFigures


def node_registry() -> CollectorRegistry:
    """The registry of a node, as server/node.py makes it, of figures that are all zero."""
    cluster = initial_metrics(LogIndex(0), LogIndex(0))
    gateway = GatewayFigures(*(0 for _ in range(len(GatewayFigures.__dataclass_fields__) - 1)), stream_end_total={})
    media = MediaMetrics(**dict.fromkeys(MediaMetrics.__dataclass_fields__, 0))
    webhooks = WebhookFigures(0, 0, 0, 0, 0, 0, (0,) * (len(DELAY_BOUNDS_S) + 1), 0.0)
    return make_registry(
        {
            "cluster": lambda: cluster_figures(cluster),
            "gateway": lambda: gateway_figures(gateway),
            "media": lambda: media_figures(media),
            "webhooks": lambda: webhook_figures(webhooks, 0),
        }
    )


def stored_names(metric: Metric) -> Iterator[str]:
    """The names of one metric's series."""
    match metric.type:
        case "counter":
            yield f"{metric.name}_total"
        case "histogram":
            yield from (f"{metric.name}_{part}" for part in ("bucket", "sum", "count"))
        case _:
            yield metric.name


def exported_names() -> set[str]:
    """All names, those of the process among them."""
    return {name for metric in node_registry().collect() for name in stored_names(metric)}
