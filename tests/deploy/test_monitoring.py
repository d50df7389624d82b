"""Alert rules and dashboard in deploy/: their form, when alerts fire, and that every metric they name is exported."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from debian import program
from deploy.exported_metrics import exported_names, node_registry

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = json.loads((DEPLOY / "grafana" / "raftline.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
OF_PROMETHEUS_ITSELF = {"up"}
METRIC = re.compile(r"(?<![\w:$])([a-z][a-z0-9_]*)(?=\{)")
COLUMNS = 24  # of a dashboard


def promtool(*arguments: str) -> str:
    """Run Prometheus' own checker over the folder of rules; what it says."""
    done = subprocess.run(
        [program("promtool", "prometheus"), *arguments],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dashboard_expressions() -> list[str]:
    """What the panels ask, and the annotations."""
    asked = [target["expr"] for panel in PANELS for target in panel["targets"]]
    return asked + [note["expr"] for note in DASHBOARD["annotations"]["list"]]


class TestNames:
    """Whoever renames a metric finds out here."""

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
    def test_alerts_name_metrics_that_exist(self, rule: dict[str, Any]) -> None:
        """Each asks for one at least, and for none that no node exports."""
        named = set(METRIC.findall(rule["expr"]))
        assert named
        assert named <= exported_names() | OF_PROMETHEUS_ITSELF

    @pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
    def test_panels_name_metrics_that_exist(self, panel: dict[str, Any]) -> None:
        """The same of the dashboard."""
        for target in panel["targets"]:
            named = set(METRIC.findall(target["expr"]))
            assert named
            assert named <= exported_names() | OF_PROMETHEUS_ITSELF

    def test_every_metric_is_met_with_its_job(self) -> None:
        """Nothing is asked of another service's metrics, and no name escapes the tests above for want of braces."""
        for expression in [rule["expr"] for rule in RULES] + dashboard_expressions():
            for name in re.findall(r"raftline_[a-z_]+", expression):
                assert re.search(rf'{name}\{{job="(raftline|\$job)"', expression), expression

    def test_the_exporter_is_read(self) -> None:
        """The names are those of the code: a counter, a gauge with a label, a histogram, the process."""
        assert {
            "raftline_cluster_elections_total",
            "raftline_cluster_link_up",
            "raftline_cluster_commit_seconds_bucket",
            "process_resident_memory_bytes",
        } <= exported_names()
        assert len(list(node_registry().collect())) > 50


class TestAlerts:
    """Rules that people are woken by."""

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
    def test_an_alert_says_what_to_do(self, rule: dict[str, Any]) -> None:
        """A sentence of what is, another of what to do, and how bad it is."""
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["description"].endswith(".")

    def test_names_are_given_once(self) -> None:
        """An alert is silenced by its name."""
        names = [rule["alert"] for rule in RULES]
        assert len(names) == len(set(names))

    def test_prometheus_takes_the_rules(self) -> None:
        """Checked by its own tool, the configuration with them."""
        assert f"{len(RULES)} rules found" in promtool("check", "rules", "alerts.yaml")
        promtool("check", "config", "prometheus.yaml")

    def test_they_fire_when_they_should(self) -> None:
        """Series of figures, and the alerts that they cause: alerts_test.yaml."""
        assert "SUCCESS" in promtool("test", "rules", "alerts_test.yaml")


class TestDashboard:
    """A dashboard for Grafana; there is none here to open it."""

    def test_prometheus_takes_its_expressions(self, tmp_path: Path) -> None:
        """Each as a rule of its own, with values for Grafana's variables."""
        rules = [
            {"record": f"asked:{number}", "expr": asked.replace("$__rate_interval", "1m").replace("$job", "raftline")}
            for number, asked in enumerate(dashboard_expressions())
        ]
        file = tmp_path / "dashboard.yaml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))

    def test_panels_are_whole(self) -> None:
        """Each with an id of its own, a title, what it shows in words, a unit, and the variable data source."""
        ids = [panel["id"] for panel in DASHBOARD["panels"]]
        assert len(ids) == len(set(ids))
        for panel in PANELS:
            assert panel["title"]
            assert panel["description"].endswith(".")
            assert panel["fieldConfig"]["defaults"]["unit"]
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert sources == [{"type": "prometheus", "uid": "${source}"}] * len(sources)
            letters = [target["refId"] for target in panel["targets"]]
            assert len(letters) == len(set(letters))

    def test_panels_do_not_overlap(self) -> None:
        """Every place of the grid is one panel's, and inside of its columns."""
        taken: set[tuple[int, int]] = set()
        for panel in DASHBOARD["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= COLUMNS
            cells = set(
                itertools.product(
                    range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
                )
            )
            assert not cells & taken, panel["title"]
            taken |= cells

    def test_variables_are_declared(self) -> None:
        """All that expressions and panels use, save Grafana's own."""
        declared = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
        used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARD)))
        assert used == declared
