"""The pages of MLflow worth opening first, and a table of scores it does not make by itself.

The form of the view's state and of the addresses is internal to MLflow's pages (3.17): look at them after an upgrade.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable
from urllib.parse import quote

LEADERBOARD = "leaderboard"
COLUMNS = 12
MACHINE_LEARNING = "workflowType=machine_learning"  # otherwise the first page is about chat models


def leaderboard(scores: Iterable[str]) -> tuple[str, str]:
    """The experiment tag (key and value) that makes a table of all runs with their final scores.

    Scores of the whole come before those of a part (`fid` before `fid/pores`).
    """
    columns = sorted(dict.fromkeys(scores), key=lambda name: name.count("/"))[:COLUMNS]
    state = {
        "selectedColumns": ["tags.`family`", "tags.`seed`", *(f"metrics.`{name}`" for name in columns)],
        "runsHiddenMode": "SHOW_ALL",
        "orderByKey": "tags.`mlflow.runName`",
        "orderByAsc": True,
    }
    packed = "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    value = {"name": "Leaderboard", "state": packed, "createdAt": 0, "updatedAt": 0}
    return f"mlflow.sharedViewState.{LEADERBOARD}", json.dumps(value)


def addresses(server: str, experiment: str, runs: list[str]) -> dict[str, str]:
    """What to open for one experiment, by what it shows.

    Args:
        server: `http://host:port`.
        experiment: id of the experiment.
        runs: ids of the runs to compare side by side.
    """
    page = f"{server}/#/experiments/{experiment}/runs?{MACHINE_LEARNING}"
    shown = {"scores": f"{page}&viewStateShareKey={LEADERBOARD}", "curves and samples": f"{page}&compareRunsMode=CHART"}
    if len(runs) > 1:
        picked, of = (quote(json.dumps(ids, separators=(",", ":"))) for ids in (runs, [experiment]))
        # `runs` must come first, or the page fails.
        shown["side by side"] = f"{server}/#/compare-runs?runs={picked}&experiments={of}&{MACHINE_LEARNING}"
    return shown
