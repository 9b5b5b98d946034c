"""The whole configuration: from a raw one to checked settings, or to an error that says what to mend."""

from __future__ import annotations

import datetime
import difflib
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, get_args

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from pipeline.settings import patches
from pipeline.settings.basics import Count, Device, Folder, Name, Seed, Strict, UserError, distinct
from pipeline.settings.datasets import Dataset
from pipeline.settings.families import FAMILY_SETTINGS, FEWEST, STYLED, AroundPictures, ModelSettings, Training
from pipeline.settings.patches import OWN, patch_sets
from pipeline.settings.places import RUN
from pipeline.settings.renamed import new_name, why_gone
from pipeline.settings.shots import LIST, FewShots, draws_of, expanded, families
from pipeline.settings.stages import Blend, Card, Detection, Evaluate, Gallery, Generate, Tracking

TAKEN = {
    "real": "a folder of the results",
    "detection": "a folder of the results",
    "more_real": "a control of the detectors",
    "same_real": "a control of the detectors",
    "all": "the detection arm that joins all models",
}
FOLDERS = ("benchmarks", "journal", "logs", "mlflow", "state", "tensorboard")  # of the results, beside the data sets

# Pydantic's names of the members of a union.
KIND = re.compile(r"str|int|float|bool|constrained-.+|(function-\w+|nullable|literal|list|dict)\[.+", re.DOTALL)


def _own_folder(folder: str) -> str:
    found = os.path.expanduser(folder)
    if found.startswith("~"):
        raise ValueError(f"`{folder}` is in a home that is not there; write `./{folder}` for a folder of this name")
    if os.path.dirname(os.path.abspath(found)) == os.path.abspath(found):
        raise ValueError(f"`{folder}` is where all folders of this machine lie; name one of its own")
    return found


def _switched(value: Any) -> Any:
    """`off` and `on` in the place of a section; YAML reads the bare words as false and true."""
    return {"enabled": value in (True, "on")} if isinstance(value, bool) or value in ("on", "off") else value


class Settings(Strict):
    results: Annotated[Folder, AfterValidator(_own_folder)] = "results"
    """Folder of everything that is made."""
    quick: bool = False
    """A run that only shows whether everything runs (`config/quick.yaml`); every page of the report says so."""
    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(distinct)] = [0]
    """Each model is made once for each of these."""
    device: Device = "auto"
    """Where jobs compute: `auto` is an NVIDIA card that can be used, else the CPU; `mps` is Apple's, which nobody has
    tried yet. The environment variable PYRITE_DEVICE overrides it. Changing it repeats no work."""
    jobs_per_gpu: Count = 1
    """Slots of each card: jobs that may share it. The resource `gpu` counts slots. A card has at most one for each 1.5
    GiB of its memory. The environment variable PYRITE_JOBS_PER_GPU overrides it."""
    tracking: Tracking = Tracking()
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    models: Annotated[dict[Name, ModelSettings], Field(min_length=1)]
    generate: Generate = Generate()
    blend: Blend = Blend()
    gallery: Gallery = Gallery()
    evaluate: Evaluate = Evaluate()
    detect: Annotated[Detection, BeforeValidator(_switched)] = Detection()
    card: Card = Card()

    def faults(self) -> Iterator[str]:
        for name, what in TAKEN.items():
            if name in self.models:
                yield f"models.{name}: `{name}` is the name of {what}; choose another"
        for name in FOLDERS:
            if name in self.datasets:
                yield f"datasets.{name}: `{name}` is the name of a folder of the results; choose another"
        yield from patches.faults(self.datasets)
        for dataset, d in self.datasets.items():
            short, long = sorted(d.shape)
            if short & (short - 1) or short < 32 or long % (short // 4):
                yield (
                    f"datasets.{dataset}.size: {d.size} cannot be made by any family; their shorter side is a power of "
                    "two from 32 to 1024, the longer one a multiple of a quarter of it"
                )
        for dataset, d in self.datasets.items():
            for name in d.models or []:
                if name not in self.models:
                    yield f"datasets.{dataset}.models: `{name}` is no model{_nearest(name, self.models)}"
        yield from self._too_few_for_a_distribution()
        yield from self._boxes_where_there_are_none()
        yield from self._beginning_with_itself()
        yield from self._no_pseudo_labels()
        yield from self._nothing_missed()
        if not any(m.family in STYLED for m in self.models.values()):
            yield from self._nothing_for_styles()

    def _too_few_for_a_distribution(self) -> Iterator[str]:
        for dataset, d in self.datasets.items():
            for name in self.models_of(dataset) if d.shots is not None and d.shots < FEWEST else ():
                model = self.models[name]
                if isinstance(model, AroundPictures) and model.coarse_pictures_from == "distribution":
                    yield (
                        f"models.{name}.coarse_pictures_from: distribution needs {FEWEST} training images of each "
                        f"class, and datasets.{dataset}.shots leaves {d.shots}"
                    )

    def _nothing_for_styles(self) -> Iterator[str]:
        have = f"cannot be had, no model has styles; the families that have: {', '.join(STYLED)}"
        if self.generate.truncation != 1:
            yield f"generate.truncation: {self.generate.truncation:g} {have}"
        if self.generate.move:
            yield f"generate.move: {', '.join(self.generate.move)} {have}"

    def _beginning_with_itself(self) -> Iterator[str]:
        for name, model in self.models.items():
            start = os.path.normpath(getattr(model, "init_from", None) or os.devnull)
            trained = [dataset for dataset in self.datasets if name in self.models_of(dataset)]
            runs = [RUN.format(dataset=d, model=name, seed=seed) for d in trained for seed in self.seeds]
            own = {os.path.normpath(f"{self.results}/{run}") for run in runs}
            if start in own:
                yield (
                    f"models.{name}.init_from: {start} is what this model becomes itself; leave it out of `models` of "
                    "that data set, or name another model"
                )

    def _no_pseudo_labels(self) -> Iterator[str]:
        boxed = {model for name, d in self.datasets.items() if d.boxes for model in self.models_of(name)}
        for name in self.detect.boxes.pseudo_labels:
            where = f"detect.boxes.pseudo_labels: `{name}`"
            if name not in self.models:
                yield f"{where} is no model{_nearest(name, self.models)}"
            if name not in boxed:
                yield f"{where} is trained on no data set with boxes"
            if self.models[name].draws_boxes:
                yield f"{where} draws images whose boxes are known (models.{name}.boxes); leave it out here"

    def _nothing_missed(self) -> Iterator[str]:
        judged = {
            model
            for name, d in self.datasets.items()
            if d.good is None
            for model in self.models_of(name)
            if (d.boxes if self.models[model].draws_boxes else d.labels.rule != "none")
        }
        for name in self.detect.missed:
            where = f"detect.missed: `{name}`"
            if name not in self.models:
                yield f"{where} is no model{_nearest(name, self.models)}"
            if name not in judged:
                yield f"{where} is trained on no data set whose classes, or boxes, a detector could miss"

    def models_of(self, dataset: str) -> list[str]:
        """Names of the generators that are trained on a data set, in the order of `models`.

        Those that draw boxes are for data sets that have some.
        """
        d = self.datasets[dataset]
        able = [name for name, model in self.models.items() if d.boxes or not model.draws_boxes]
        return [name for name in able if d.models is None or name in d.models]

    @property
    def trainings(self) -> int:
        """Of a whole run: of each data set, generator and seed."""
        trained = (
            isinstance(self.models[name], Training) for dataset in self.datasets for name in self.models_of(dataset)
        )
        return len(self.seeds) * sum(trained)

    def _boxes_where_there_are_none(self) -> Iterator[str]:
        boxed = [name for name, model in self.models.items() if model.draws_boxes]
        if boxed and not any(d.boxes for d in self.datasets.values()):
            yield f"models.{boxed[0]}.boxes: true needs a data set with `boxes`, and no data set has any"
        for dataset, d in self.datasets.items():
            without = "draw images with boxes (boxes: true), but the data set has no `boxes`"
            unable = [name for name in d.models or [] if name in boxed and not d.boxes]
            if unable:
                yield f"datasets.{dataset}.models: {', '.join(unable)} would {without}"
            if not self.models_of(dataset):
                yield f"datasets.{dataset}: no model is left for it, all {without}"

    def few_shots(self, dataset: str) -> FewShots | None:
        """How a data set with `shots` is drawn; None of one without."""
        d = self.datasets[dataset]
        if d.shots is None:
            return None
        plain = {name: of.model_dump(mode="json") for name, of in self.datasets.items()}
        first = draws_of(plain, dataset)[0]
        found = (family.datasets for family in families(plain) if first in family.datasets.values())
        shots = next(found, {d.shots: dataset})
        most = None if None in shots else max(k for k in shots if k is not None)
        wanted = self.generate.images_per_class or most if d.split.control is None else d.split.control
        return FewShots(d.shots, most, wanted if most and wanted else 0, d.draws, d.draw)

    def patch_sets(self) -> dict[str, str]:
        """The data set of its patches, by the name of each data set that has one."""
        return patch_sets(self.datasets)


def load(config: dict[str, Any]) -> Settings:
    """Check a raw configuration and fill in every default.

    Beside the keys of `Settings` it may hold `all_datasets` and `all_models`, laid over every entry of `datasets` and
    `models` (a key is laid over the entries whose class has it), and `set`, a string of dotted overrides such as
    `"models.cgan.total_images=20000 seeds=[0,1]"`. Then each data set whose `shots` is a list becomes several.

    Raises:
        UserError: an unknown key (with the nearest valid one), a wrong type or an impossible value.
    """
    config = _copy(_mapping("configuration", config))
    overrides = list(_overrides(config.pop("set", None)))
    for path, value in overrides:
        _assign(config, path, value)
    for key, entries in (("all_datasets", "datasets"), ("all_models", "models")):
        overlay = _mapping(key, config.pop(key, None))
        _check_overlay(key, entries, overlay)
        for entry in _mapping(entries, config.get(entries)).values():
            if isinstance(entry, dict):
                _merge(entry, {k: v for k, v in overlay.items() if k in _keys(entries, entry)})
    for path, value in overrides:  # again: what is laid over all entries does not undo what was said of one
        if not path[0].startswith("all_"):
            _assign(config, path, value)
    if "datasets" in config:
        config["datasets"] = expanded(config["datasets"])
    try:
        return Settings.model_validate(config)
    except ValidationError as error:
        raise UserError("\n".join(sorted(_explained(error.errors())))) from None


def schema() -> dict[str, Any]:
    """The JSON schema of a configuration file, for editors."""
    body = Settings.model_json_schema()
    body["$defs"]["Dataset"]["properties"]["shots"]["anyOf"].append(LIST.json_schema())
    body["properties"]["detect"] = {"anyOf": [body["properties"]["detect"], {"enum": ["on", "off", True, False]}]}
    body["properties"] |= {
        "all_datasets": {"type": "object", "description": "Laid over every entry of `datasets`."},
        "all_models": {"type": "object", "description": "Laid over every entry of `models`."},
        "set": {"type": "string", "description": "Dotted overrides: `models.cgan.total_images=20000 seeds=[0,1]`."},
    }
    return body | {"title": "Pyrite configuration"}


def _keys(entries: str, entry: dict) -> set[str]:
    if entries == "datasets":
        return OWN if entry.get("patches_of") else set(Dataset.model_fields)
    family = entry.get("family")
    of = FAMILY_SETTINGS.get(family, Training) if isinstance(family, str) else Training
    return set(of.model_fields)


def _check_overlay(key: str, entries: str, overlay: dict) -> None:
    known = set(Dataset.model_fields)
    if entries == "models":
        known = set().union(*(c.model_fields for c in FAMILY_SETTINGS.values()))
    for unknown in set(overlay) - known:
        raise UserError(f"{key}.{unknown}: {_unknown(key, unknown, known)}")


def _mapping(name: str, value: Any) -> dict:
    if not isinstance(value, dict | None):
        raise UserError(f"{name}: must be settings by their names (`name: value`), it is {_shown(value)}")
    return value or {}


def _copy(value: Any, *path: str) -> Any:
    """Keys as text; no text holds what neither a file name nor a file may hold."""
    if isinstance(value, dict):
        return {_copy(str(k), *path): _copy(v, *path, str(k)) for k, v in value.items()}
    if isinstance(value, str) and re.search("[\0\ud800-\udfff]", value):
        raise UserError(f"{'.'.join(path) or 'configuration'}: {_shown(value)} holds what is no character of a text")
    return [_copy(v, *path) for v in value] if isinstance(value, list) else value


def _merge(base: dict, overlay: dict) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = _copy(value)


def _overrides(text: Any) -> list[tuple[list[str], Any]]:
    if text is None:
        return []
    if not isinstance(text, str):
        raise UserError(f"set: {text!r} is not text; Snakemake reads `a: b` as a mapping, write dotted names instead")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"set: `{text}` cannot be divided into settings ({error})") from None
    pairs = []
    for word in words:
        path, equals, value = word.partition("=")
        if not equals or not all(path.split(".")):
            raise UserError(f"set: `{word}` is not of the form key.key=value")
        try:
            pairs.append((path.split("."), _copy(yaml.safe_load(value), path)))
        except (yaml.YAMLError, ValueError):  # such as a date in a 13th month
            raise UserError(f"set: the value of `{path}` is not YAML: {value}") from None
    return pairs


def _assign(config: dict, path: list[str], value: Any) -> None:
    for depth, key in enumerate(path[:-1], 1):
        config = config.setdefault(key, {})
        if not isinstance(config, dict):
            raise UserError(f"set: `{'.'.join(path[:depth])}` is a value, not a section")
    config[path[-1]] = value


def _explained(errors: list[ErrorDetails]) -> set[str]:
    """A line for each setting. Where it may be of several kinds, the errors of those that its value can be meant as."""
    settings: dict[tuple, list[ErrorDetails]] = {}
    for error in errors:
        settings.setdefault(error["loc"][: _kind_place(error["loc"])], []).append(error)
    lines = set()
    for loc, some in settings.items():
        some = _meant(some, len(loc))
        if len(some) > 1 and all(len(error["loc"]) == len(loc) + 1 for error in some):
            kinds = ", or ".join(dict.fromkeys(error["msg"].removeprefix("Input should be ") for error in some))
            way_out = next(filter(None, map(_way_out, some)), "")
            lines.add(f"{_name(loc)}: Input should be {kinds}; it is {_shown(some[0]['input'])}{way_out}")
        else:
            lines |= {_explain(error) for error in some}
    return lines


def _meant(errors: list[ErrorDetails], depth: int) -> list[ErrorDetails]:
    """Those of the kind that a setting's value has, whose name stands at `depth`; all where it has none of them."""
    values = [error["input"] for error in errors if len(error["loc"]) == depth + 1]
    if not values:
        return errors
    kind = re.compile(rf"(constrained-|function-\S+ )?{type(values[0]).__name__}\b")
    return [error for error in errors if kind.match(str(error["loc"][depth]))] or errors


def _explain(error: ErrorDetails) -> str:
    path = _path(error["loc"])
    where = [str(p) for p in path]
    name = _name(error["loc"])
    match error["type"]:
        case "model_type" if error["input"] is None:
            return f"{name}: is empty; write its settings below it, or leave its line out"
        case "model_type":
            return f"{name}: must be settings by their names (`name: value`), it is {_shown(error['input'])}"
        case "extra_forbidden":
            return f"{name}: {_unknown(where[0], where[-1], _siblings(path, error['loc']))}"
        case "missing":
            laid = "; what is laid over others, as config/quick.yaml is, comes after them" if len(where) == 1 else ""
            return f"{name}: this setting has no default and must be given{laid}"
        case "union_tag_not_found":
            return f"{name}.family: must be given, one of {', '.join(FAMILY_SETTINGS)}"
        case "union_tag_invalid":
            tag = error["ctx"]["tag"]
            return f"{name}.family: `{tag}` is no family{_nearest(tag, FAMILY_SETTINGS)}"
        case "string_pattern_mismatch" | "string_too_long" if where[-1:] == ["[key]"]:
            return f"{'.'.join(where[:-1])}: a name is 1 to 80 letters, digits and _, and begins with a letter"
        case "too_short":
            return f"{name}: at least {error['ctx']['min_length']} must be named; it is {_shown(error['input'])}"
        case "value_error":
            message = str(error["ctx"]["error"])
            return f"{name}: {message}" if where else message
    return f"{name}: {error['msg']}; it is {_shown(error['input'])}{_way_out(error)}"


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, datetime.date) else repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _way_out(error: ErrorDetails) -> str:
    """Where YAML takes what looks like one thing for another."""
    value = error["input"]
    match error["type"]:
        case "int_parsing" if isinstance(value, str) and re.fullmatch(r"[1-9](\.\d*)?[eE]\+?\d{1,2}", value):
            return f", which YAML takes for text; write {int(float(value))}"
        case "string_type" if isinstance(value, bool):
            return ", which YAML makes of yes, no, on and off; write the word in quotes"
        case "string_type" if isinstance(value, int | float):
            return f", which YAML takes for a number; write it in quotes ('{value}')"
        case "string_type" if isinstance(value, datetime.date):
            return f", which YAML takes for a date; write it in quotes ('{value}')"
        case "string_type" if value is None:
            return ", which YAML makes of ~, null and nothing; write the word in quotes, or leave it out"
    return ""


def _unknown(section: str, name: str, known: Iterable[str]) -> str:
    new = new_name(section, name)
    if why := why_gone(section, name):
        return f"is no setting any more, for {why}; leave it out"
    return f"is called `{new}` now" if new else f"unknown setting{_nearest(name, known)}"


def _nearest(word: str, known: Iterable[str]) -> str:
    small = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), small, n=1, cutoff=0.5)
    return f"; did you mean `{small[near[0]]}`?" if near else f"; the valid ones are {', '.join(sorted(known))}"


def _path(loc: tuple) -> tuple:
    """The setting's place as its user wrote it: without the names pydantic gives to the members of a union."""
    if loc[:1] == ("models",) and len(loc) > 2:
        loc = (*loc[:2], *loc[3:])
    return tuple(p for place, p in enumerate(loc) if not _is_kind(place, p))


def _name(loc: tuple) -> str:
    return ".".join(map(str, _path(loc))) or "configuration"


def _kind_place(loc: tuple) -> int:
    """Where the name of a union's member stands; the end where there is none."""
    return next((place for place, part in enumerate(loc) if _is_kind(place, part)), len(loc))


def _is_kind(place: int, part: str | int) -> bool:
    """Whether a part of a place is the name of a union's member; data sets and models, which come second, may be called
    so."""
    return place > 1 and isinstance(part, str) and KIND.fullmatch(part) is not None


def _siblings(path: tuple, loc: tuple) -> list[str]:
    """The valid keys of the section that an unknown key stands in."""
    section: Any = Settings
    for depth, part in enumerate(path[:-1]):
        if depth == 1 and path[0] in ("datasets", "models"):
            section = Dataset if path[0] == "datasets" else FAMILY_SETTINGS[loc[2]]
        elif part in getattr(section, "model_fields", {}):
            section = _section(section.model_fields[part].annotation)
    keys = list(getattr(section, "model_fields", {}))
    return [*keys, "all_datasets", "all_models", "set"] if section is Settings else keys


def _section(annotation: Any) -> Any:
    """The class of a section that may be null."""
    return next((a for a in get_args(annotation) if a is not type(None)), annotation)
