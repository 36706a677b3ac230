"""The dashboard for Grafana: it has the form that Grafana reads, and shows figures that exist.

What each expression gives is tried on a real Prometheus, in e2e/test_monitoring.py.
"""

import json
import re
from itertools import combinations
from typing import Any

import pytest

from tests.packaging.alert_rules import CONF, names_in, what_does_not_exist

DASHBOARD: dict[str, Any] = json.loads((CONF / "grafana" / "dashboards" / "dohproxy.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
UNITS = {"reqps", "cps", "short", "percentunit", "s"}
"""Of Grafana's, those that are used."""
COLUMNS = 24


def expressions() -> list[str]:
    """Return every expression that a panel shows."""
    return [target["expr"] for panel in PANELS for target in panel["targets"]]


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    """The cells of the grid that a panel covers."""
    place = panel["gridPos"]
    return {
        (column, row)
        for column in range(place["x"], place["x"] + place["w"])
        for row in range(place["y"], place["y"] + place["h"])
    }


def test_it_is_a_dashboard_that_asks_the_reader_s_own_prometheus() -> None:
    assert DASHBOARD["uid"] == "dohproxy"
    assert "id" not in DASHBOARD  # A number of the Grafana that it came from.
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables.keys() == {"datasource", "instance"}
    assert names_in(variables["instance"]["query"]) == {"dohproxy_build_info"}
    sources = {json.dumps(one["datasource"]) for one in (*PANELS, *DASHBOARD["annotations"]["list"])}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_its_form(panel: dict[str, Any]) -> None:
    assert panel["type"] == "timeseries"
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert all(0 <= column < COLUMNS for column, _ in cells(panel))
    assert [target["refId"] for target in panel["targets"]] == list("ABC"[: len(panel["targets"])])
    assert all(target["legendFormat"] for target in panel["targets"])


def test_panels_lie_beside_each_other() -> None:
    assert [panel["id"] for panel in PANELS] == [*range(1, len(PANELS) + 1)]
    assert [one["title"] for one, other in combinations(PANELS, 2) if cells(one) & cells(other)] == []


@pytest.mark.parametrize("expression", [*expressions(), *(one["expr"] for one in DASHBOARD["annotations"]["list"])])
def test_an_expression_names_what_exists_and_keeps_to_the_chosen_service(expression: str) -> None:
    assert names_in(expression)
    assert what_does_not_exist(expression) == []
    selectors = re.findall(r"\b(?:dohproxy|process)_\w+(\{[^}]*\})?", expression)
    assert all("instance=~'$instance'" in selector for selector in selectors)
    assert expression.count("(rate(") + expression.count("rate(") >= expression.count("_total")


def test_what_is_provisioned_leads_to_it() -> None:
    dashboards = (CONF / "grafana/provisioning/dashboards/dohproxy.yml").read_text("utf-8")
    assert "path: /var/lib/grafana/dashboards/dohproxy" in dashboards
    sources = (CONF / "grafana/provisioning/datasources/dohproxy.yml").read_text("utf-8")
    [interval] = re.findall(r"timeInterval: (\w+)", sources)
    assert f"scrape_interval: {interval}\n" in (CONF / "prometheus/prometheus.yml").read_text("utf-8")
