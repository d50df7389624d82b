"""`docs/reference/metrics.md`: every metric of a node, by name."""

from __future__ import annotations

import inspect
import re

from deploy.exported_metrics import node_registry
from raftline.cluster.media.media import MediaMetrics
from raftline.cluster.metrics import ClusterMetrics, UpkeepMetrics
from raftline.gateway.server import GatewayFigures
from raftline.web.cloud.webhooks.figures import WebhookFigures

_EXPLAINED = (ClusterMetrics, UpkeepMetrics, GatewayFigures, MediaMetrics, WebhookFigures)

_NAMES = re.compile(r"^([a-z_0-9]+(?:, [a-z_0-9]+)*): ")

_HEAD = """\
Each node tells its own figures at `/metrics`, in Prometheus' form; counters begin with the process. `deploy/prometheus`
has alerts made of them, `deploy/grafana` a dashboard. What is told of the process itself (`process_…`, `python_…`) has
the names of Prometheus' client library.
"""


def render() -> str:
    """Return the page without its mark."""
    rows = []
    for metric in sorted(node_registry().collect(), key=lambda metric: metric.name):
        if metric.name.startswith("raftline_"):
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            rows.append(f"| `{name}` | {metric.type} |")
    table = "| metric | kind |\n|---|---|\n" + "\n".join(rows)
    said = "\n".join(f"- {line}" for cls in _EXPLAINED for line in _said(cls))
    return f"# Metrics\n\n{_HEAD}\n{table}\n\n## What figures mean\n\nAs the code that makes them says:\n\n{said}\n"


def _said(cls: type) -> list[str]:
    """Return the attributes that a class explains, each in a line."""
    attributes = (inspect.getdoc(cls) or "").partition("Attributes:\n")[2]
    lines = re.sub(r"\n\s{8,}", " ", attributes).splitlines()
    return [_NAMES.sub(lambda found: f"`{found[1].replace(', ', '`, `')}`: ", line.strip()) for line in lines]
