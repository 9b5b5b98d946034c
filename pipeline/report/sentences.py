"""Verdicts in words, for the pages, the cards and MLflow."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from pipeline.evaluation.catalog import FEATURES, METRICS
from pipeline.report.labels import joined, number
from pipeline.report.verdict import Beside, Verdict, ratio

NO_COPIES = "no sign of copies"
LISTED = 3  # things named in a clause; more would hide the worst


# ---------------------------------------------------------------- the verdict on one generator


FAULTS = {
    "missing": "too little variety",
    "smooth": "too smooth or too alike",
    "repeats": "repeats itself",
    "unreal": "some unreal",
}
UNKNOWN = {
    "unmeasured": "nothing was measured",
    "no floor": "nothing can be said, for no real images were held out to compare with",
    "too few images": "nothing can be said, for there are too few images",
}


def verdict(of: Verdict) -> Markup:
    """What is right and what is wrong with a generator's images, in few words."""
    structure = dict.fromkeys(direction or _multiple(measure) for measure, direction in of.structure)
    clauses = (
        _within(of),
        _multiple(of.distance) if of.distance else "",
        _listed(list(structure), LISTED),
        ", ".join(f"{FAULTS[fault]} ({_against(measure)})" for fault, measure in of.variety.items()),
        f"no images of {_listed(of.missing, LISTED)}, or too few" if of.missing else "",
        _worst_class(of.worst) if of.worst else "",
        copies(of),
    )
    return Markup("<b>{}</b>: {}.").format(of.model, "; ".join(with_features([text for text in clauses if text])))


def _within(of: Verdict) -> str:
    if of.unknown:
        return UNKNOWN[of.unknown]
    if of.throughout:
        return f"within the noise floor throughout ({_listed(of.within, len(of.within))})"
    if not of.within:
        return "off the noise floor throughout"
    return f"within the noise floor on {_listed(of.within, LISTED + 1)}"


def _worst_class(of: Beside) -> str:
    """A kernel distance tells nobody how bad that is."""
    return f"worst class {of.label}" if METRICS[of.metric].about_zero else f"worst class {of.label} ({_against(of)})"


def copies(of: Verdict) -> str:
    """Empty where no measure looked for them."""
    if not isinstance(of.copies, Beside):
        return NO_COPIES if of.copies else ""
    alarm = METRICS[of.copies.metric].alarm
    return alarm.format(100 * of.copies.score.value) if alarm else f"may copy ({_against(of.copies)})"


def _multiple(of: Beside) -> str:
    times = ratio(of.score, of.floor, of.metric)
    if times is None:
        return _against(of)
    return f"{short(of.extractor, of.metric)} {times:.{1 if times < 10 else 0}f} × the floor"


def _against(of: Beside) -> str:
    return f"{short(of.extractor, of.metric)} {_rounded(of.score.value)} against {_rounded(of.floor.value)}"


def with_features(clauses: Sequence[str]) -> list[str]:
    """Clauses that name the random features only beside others: alone they need no word."""
    others = [name for key, name in FEATURES.items() if key != "random"]
    if any(name in text for text in clauses for name in others):
        return list(clauses)
    return [text.replace(f" in {FEATURES['random']}", "") for text in clauses]


def short(extractor: str, metric: str) -> str:
    """Name of a measure, with its features where others could have been asked."""
    row = METRICS[metric]
    if extractor in row.titles:
        return row.titles[extractor]
    return f"{row.short} in {FEATURES[extractor]}" if extractor in FEATURES and len(row.extractors) > 1 else row.short


def _rounded(value: float) -> str:
    """Two decimals are enough in a sentence, where they show anything."""
    return f"{value:.2f}".replace("-", "−") if 0.005 <= abs(value) < 100 else number(value)


def _listed(names: Sequence[str], most: int) -> str:
    """`a, b and c`; `a, b and 4 more`."""
    shown = list(names) if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    return joined(shown) if shown else ""
