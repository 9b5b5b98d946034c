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
# Which curves are worth the first look, by what the chart is called.
CURVES = {
    "held_out/kid": "KID to held-out images",
    "loss/G": "loss of the generator",
    "loss/D": "loss of the discriminator",
}
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
    states |= {"curves": _charts("Curves", _curves(), groupBy=_by("family"))}
    states |= {"samples": _charts("Samples", [_card("IMAGE", "samples", imageKeys=["samples"], step=0)])}
    states |= {"differences": _charts("Differences", [*_bars(), _differences()])}
    return {f"mlflow.sharedViewState.{name}": _view(TITLES[name], state) for name, state in states.items()}


def _view(title: str, state: Mapping[str, Any]) -> str:
    packed = "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    return json.dumps({"name": title, "state": packed, "createdAt": 0, "updatedAt": 0})


def _table(kind: str, columns: Sequence[str], key: str, ascending: bool) -> dict[str, Any]:
    shown = [_column(name) for name in columns]
    return _of(kind) | {"selectedColumns": shown, "columnOrder": shown} | _order(key, ascending)


def _of(kind: str) -> dict[str, Any]:
    return {"searchFilter": f"tags.kind = '{kind}'", "runsHiddenMode": "SHOW_ALL"}


def _order(key: str, ascending: bool) -> dict[str, Any]:
    return {"orderByKey": _column(key), "orderByAsc": ascending}


def _column(name: str) -> str:
    return f"metrics.`{name}`" if name in NUMBERS else f"tags.`{name}`"


def _by(tag: str) -> dict[str, Any]:
    return {"aggregateFunction": "average", "groupByKeys": [{"mode": "TAG", "groupByData": tag}]}


def _charts(section: str, cards: Sequence[Mapping[str, Any]], **also: Any) -> dict[str, Any]:
    """Of generators; charts of all else that was measured are left to a search."""
    titles = "|".join(card["displayName"] for card in cards)
    kept = {"uuid": "first", "name": section, "display": True, "isReordered": True, "deleted": False}
    state = {"compareRunSections": [kept | {"isGenerated": False}], "compareRunCharts": list(cards)}
    state |= {"isAccordionReordered": True, "chartsSearchFilter": titles}
    return _of("generator") | _order(DISTANCE, True) | state | also


def _card(kind: str, title: str, **fields: Any) -> dict[str, Any]:
    shared = {"uuid": title, "type": kind, "metricSectionId": "first", "displayName": title, "runsCountToCompare": 100}
    return shared | {"deleted": False, "isGenerated": False} | fields


def _curves() -> list[dict[str, Any]]:
    return [
        _card("LINE", title, metricKey=name, selectedMetricKeys=[name], xAxisKey="step", useGlobalXaxisKey=False)
        for name, title in CURVES.items()
    ]


def _bars() -> list[dict[str, Any]]:
    return [_card("BAR", name, metricKey=name) for name in (DISTANCE, GAIN, MINUTES)]


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
