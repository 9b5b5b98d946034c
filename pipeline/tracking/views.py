"""The pages of MLflow worth opening first: tables of the runs of a kind, and charts of few curves.

The form of a view's state and of the addresses is internal to MLflow's pages (3.17): `make test-services` looks at
them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

DISTANCE, GAIN, VERDICT, COPIES, MINUTES = "times the floor", "gain in points", "verdict", "copies", "minutes"
SCORE, CLOSEST, HELP, HURT = "score", "closest", "arms that help", "arms that hurt"
MACHINE_LEARNING = "workflowType=machine_learning"  # otherwise the first page is about chat models
# By name: columns, the one they are sorted by, and whether the least comes first.
TABLES = {
    "generator": (("family", DISTANCE, GAIN, VERDICT, COPIES, MINUTES), DISTANCE, True),
    "detector": (("family", SCORE, GAIN, VERDICT), SCORE, False),
    "comparison": ((CLOSEST, HELP, HURT), HELP, False),
}
NUMBERS = (DISTANCE, GAIN, MINUTES, SCORE, HELP, HURT)
CURVES = ("held_out/kid", "loss/G", "loss/D")  # worth the first look
TITLES = {
    "generators": "Generators: the closest first",
    "detectors": "Detectors: the best first",
    "comparisons": "The answer",
    "curves": "Curves, by family",
    "samples": "Samples while it trains",
    "differences": "What differs between generators",
}


def saved_views() -> dict[str, str]:
    """Experiment tags (key and value), each a view that its address opens."""
    states = {f"{kind}s": _table(kind, *table) for kind, table in TABLES.items()}
    bars = _section("Standing", 3, 260, [_card("BAR", name, metricKey=name) for name in (DISTANCE, GAIN, MINUTES)])
    states |= {"curves": _charts(_section("Curves", 3, 360, _curves()), groupBy=_by("family"))}
    states |= {
        "samples": _charts(_section("Samples", 1, 560, [_card("IMAGE", "samples", imageKeys=["samples"], step=0)]))
    }
    states |= {"differences": _charts(_section("What differs", 1, 420, [_differences()]), bars)}
    return {f"mlflow.sharedViewState.{name}": _view(TITLES[name], state) for name, state in states.items()}


def _view(title: str, state: Mapping[str, Any]) -> str:
    packed = "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    return json.dumps({"name": title, "state": packed, "createdAt": 0, "updatedAt": 0})


def _table(kind: str, columns: Sequence[str], key: str, ascending: bool) -> dict[str, Any]:
    shown = [_column(name) for name in columns]
    widths = dict.fromkeys(shown, 125)  # pixels, so that no name is cut off
    return _of(kind) | {"selectedColumns": shown, "columnOrder": shown, "columnWidths": widths} | _order(key, ascending)


def _of(kind: str) -> dict[str, Any]:
    return {"searchFilter": f"tags.kind = '{kind}'", "runsHiddenMode": "SHOW_ALL"}


def _order(key: str, ascending: bool) -> dict[str, Any]:
    return {"orderByKey": _column(key), "orderByAsc": ascending}


def _column(name: str) -> str:
    return f"metrics.`{name}`" if name in NUMBERS else f"tags.`{name}`"


def _by(tag: str) -> dict[str, Any]:
    return {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": tag}]}


def _section(name: str, columns: int, height: int, cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    placed = [{**card, "metricSectionId": name} for card in cards]
    kept = {"uuid": name, "name": name, "columns": columns, "cardHeight": height, "isReordered": True, "display": True}
    return {"section": kept | {"deleted": False, "isGenerated": False}, "cards": placed}


def _charts(*sections: Mapping[str, Any], **also: Any) -> dict[str, Any]:
    """Of generators; charts of all else that was measured are left to a search."""
    cards = [card for section in sections for card in section["cards"]]
    state: dict[str, Any] = {"compareRunSections": [section["section"] for section in sections]}
    state |= {"compareRunCharts": cards, "isAccordionReordered": True}
    state |= {"chartsSearchFilter": "|".join(f"^{card['displayName']}$" for card in cards)}
    return _of("generator") | _order(DISTANCE, True) | state | also


def _card(kind: str, title: str, **fields: Any) -> dict[str, Any]:
    shared = {"uuid": title, "type": kind, "displayName": title, "runsCountToCompare": 100}
    return shared | {"deleted": False, "isGenerated": False} | fields


def _curves() -> list[dict[str, Any]]:
    return [_card("LINE", name, metricKey=name, selectedMetricKeys=[name], xAxisKey="step") for name in CURVES]


def _differences() -> dict[str, Any]:
    groups = ["Parameters", "Model metrics"]
    return _card(
        "DIFFERENCE",
        "what differs",
        chartName="what differs",
        compareGroups=groups,
        showChangeFromBaseline=True,
        showDifferencesOnly=True,
        baselineColumnUuid="",
    )


def addresses(server: str, experiment: str) -> dict[str, str]:
    """What to open for one experiment, by what it shows.

    Args:
        server: `http://host:port`.
        experiment: id of the experiment.
    """
    page = f"{server}/#/experiments/{experiment}/runs?{MACHINE_LEARNING}&viewStateShareKey="
    charts = ("curves", "samples", "differences")
    return {name: page + quote(name) + ("&compareRunsMode=CHART" if name in charts else "") for name in TITLES}
