"""A small made-up run, written as the stages write theirs."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, roc_auc_score

from pipeline.downstream import comparison
from pipeline.downstream.arms import MORE_REAL, SAME_REAL, baseline_arms, recipes
from pipeline.downstream.comparison import Member
from pipeline.report.inputs import DatasetInputs, RunInputs
from pipeline.settings import METHOD
from tests import image_sets

SIZE = 64
OVERLAPS = {
    "images": 12,
    "of": 40,
    "pairs": 7,
    "crossing": 0,
    "leak": 0.0,
    "leak_at_random": 0.25,
    "compared": "compared: all 780 pairs",
}
ALL_REAL = dict.fromkeys(("ratio", "filter", "keep"))
HOSTILE = ["crazing", "<script>alert(1)</script>", 'a "b" & $c$ {{ d }}']


def grains(rng, n, size=SIZE, sigma=2.5):
    fields = [gaussian_filter(rng.standard_normal((size, size)), sigma, mode="wrap") for _ in range(n)]
    return np.stack([np.uint8(np.clip(128 + 48 * f / f.std(), 0, 255)) for f in fields])[..., None]


def write_set(path, rng, classes, splits, source, sigma=2.5, dtype="uint8"):
    """`splits`: split -> images of each class."""
    rows = [(c, split) for c in classes for split, n in splits.items() for _ in range(n)]
    labels, split = ([row[k] for row in rows] for k in (0, 1))
    ids = [f"i{i:06d}" for i in range(len(rows))]
    columns = {"source": source, "group": [f"g{i // 2}" for i in range(len(rows))]}
    pixels = grains(rng, len(rows), sigma=sigma).astype(dtype) * (257 if dtype == "uint16" else 1)
    meta = {"classes": classes, "scaling": {"rule": "dtype", "low": 0, "high": 255}, "pixel_size": 0.5}
    image_sets.write(path, pixels, labels, split, ids, columns, **meta, near_duplicates=OVERLAPS)


MEASURES = [  # extractor, metric, floor, noise, n
    ("random", "frechet", 1.52, 210.0, 60),
    ("random", "kid", 0.0004, 3.1, 30),
    ("random", "precision", 0.81, 0.0, 60),
    ("random", "recall", 0.79, 0.02, 60),
    ("random", "density", 0.99, 0.0, 60),
    ("random", "coverage", 0.94, 0.01, 60),
    ("random", "gram", 0.041, 2.4, 60),
    ("pixels", "psd", 0.31, 14.2, 60),
    ("pixels", "phase_fraction", 0.012, 0.21, 60),
    ("pixels", "two_point", 0.035, 0.18, 60),
    ("pixels", "lineal_path", 0.02, 0.25, 60),
    ("pixels", "chords_bright", 0.03, 0.78, 60),
    ("pixels", "chords_dark", 0.034, 0.81, 60),
    ("pixels", "mean_intercept", 0.041, 0.83, 60),
    ("pixels", "astm_grain_size", 10.4, 16.1, 60),
    ("random", "nn_distance_ratio", 1.0, 4.4, 60),
    ("pixels", "nn_ssim", 0.33, 0.01, 60),
    ("pixels", "pair_ssim", 0.21, 0.005, 200),
]


def metric_rows(model, part, classes, scale=1.0):
    """Numbers a `part` of the way from the floor (0) to noise (1), with intervals of 5 %."""
    rows = []
    for extractor, metric, floor, noise, n in MEASURES:
        value = scale * (floor + part * (noise - floor))
        row = {"model": model, "extractor": extractor, "metric": metric, "class": None, "n": n}
        rows.append(row | {"value": value, "low": value * 0.95, "high": value * 1.05})
    for i, label in enumerate(classes):
        value = 0.001 * (i + 1) + part
        row = {"model": model, "extractor": "random", "metric": "kid", "class": label, "n": 20}
        rows.append(row | {"value": value, "low": value - 0.001, "high": value + 0.001})
    return rows


def psd_curve(offset):
    k = np.arange(1, 33)
    reference = 10 - 30 * np.log10(k)
    curve = {"reference": reference, "reference_low": reference - 2, "reference_high": reference + 2}
    curve["sample"] = reference + offset * np.linspace(0, 1, 32)
    curve["frequency"] = k / 64 / 0.5
    return {"unit": "1/µm", "power_unit": "dB"} | {name: list(map(float, values)) for name, values in curve.items()}


def phase_curves(scale):
    """Of chords `scale` times as long as the real ones, in a structure of a tenth-of-a-wave order."""
    x = np.arange(65)
    cell = 6.0

    def curve(x, function, spread, unit="µm", pixel=0.5):
        lines = {"x": x * pixel, "reference": function(cell), "sample": function(cell * scale)}
        if spread:
            lines |= {"reference_low": function(cell / spread), "reference_high": function(cell * spread)}
        return {"unit": unit} | {name: list(map(float, values)) for name, values in lines.items()}

    fraction = np.linspace(0, 1, 101)
    chords = curve(x[1:], lambda c: np.exp(-(x[1:] - 1) / c), 1.3)
    return {
        "two_point": curve(x[:33], lambda c: 0.2 + 0.25 * np.exp(-x[:33] / c) * np.cos(x[:33] / c), 1.2),
        "lineal_path": curve(x[:33], lambda c: 0.45 * np.exp(-x[:33] / c), 1.2),
        "phase_fraction": curve(
            fraction, lambda c: 1 / (1 + np.exp((fraction - 0.4 - 0.05 * c / cell) / 0.03)), None, "1", 1
        ),
        "chords_bright": chords | {"histogram": chords},
        "chords_dark": chords | {"histogram": chords},
        "mean_intercept": curve(x[1:], lambda c: 1 / (1 + (x[1:] / c) ** 8), None),
    }


def closest_pairs(seed):
    """Ten pairs, the farthest first: no reader may rely on their order."""
    pairs = [{"made": 2 * i, "real": 7 + 3 * i, "shift": [i - 2, -i], "view": "as it is"} for i in range(10)]
    pairs[9]["view"] = "flipped left to right"
    return [pair | {"distance": 0.5 - 0.02 * i - 0.01 * seed} for i, pair in enumerate(pairs)]


def write_evaluation(path, model, seed, rows, offset, notes=()):
    body = {"version": 1, "dataset": "steel", "model": model, "seed": seed, "n_reference": 240, "n_sample": 240}
    body |= {"phases": {"threshold": 0.502, "has_grains": False, "boundaries": False, "pixel": 0.5, "unit": "µm"}}
    curves = {"psd": psd_curve(offset)} | phase_curves(1 + offset / 12)
    body |= {"metrics": rows, "curves": curves, "notes": list(notes), "closest": closest_pairs(seed or 0)}
    if seed is not None:
        body["neighbours"] = [{"made": 8 * c + i, "real": 36 * c + 5 * i} for c in range(3) for i in range(4)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body), encoding="utf-8")


def write_training(folder, rng, scalars):
    folder.mkdir(parents=True, exist_ok=True)
    kimg = np.linspace(1, 200, 120)
    table = {"images": (kimg * 1000).astype(int), "seconds": kimg * 2, "speed/images_per_second": 480.0}
    for i, name in enumerate(scalars):
        table[name] = 1 + i + np.exp(-kimg / 40) + 0.1 * rng.standard_normal(len(kimg))
    frame = pd.DataFrame(table)
    if "loss/R1" in frame:
        frame.loc[::3, "loss/R1"] = np.nan  # lazy regularisation: not computed at each row
    frame.to_csv(folder / "training.csv", index=False)
    (folder / "model.json").write_text(json.dumps({"images_seen": 130_000}))


def write_gif(path, rng):
    frames = []
    for sigma in (0.5, 1.0, 1.8, 2.5):
        tiles = grains(rng, 8, sigma=sigma)[..., 0]
        sheet = np.concatenate([np.concatenate(list(row), 1) for row in (tiles[:4], tiles[4:])], 0)
        frames.append(Image.fromarray(sheet))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=400, loop=0)


MADE_UP_DIRECTIONS = [
    {"name": name, "method": "SeFa", "number": 2, "correlations": {"grain_size": 0.91}, "effects": {"grain_size": 0.4}}
    for name in ("grain_size", "grain_size_2", "unnamed")
]


def write_gallery(folder, styled):
    """`gallery.json` and its pictures, as the gallery leaves them."""
    folder.mkdir()
    facts = {"interpolation": {"file": "interpolation.gif", "frames": 6, "pairs": 1}}
    write_gif(folder / "interpolation.gif", np.random.default_rng(3))
    if styled:
        strip = {"seam_ratio": 1.012, "seam_ratio_elsewhere": [0.9, 1.1]}
        facts |= {
            "truncation": {"file": "truncation.png", "truncations": [0, 1]},
            "mixing": {"file": "mixing.png", "rows": 2, "columns": 2},
            "directions": {"file": "directions.png", "directions": MADE_UP_DIRECTIONS},
            "strips": {"file": "strips.png", "width": 5000, "shown": 1024, "strips": {"a_000000.tif": strip}},
        }
        for name in ("truncation", "mixing", "directions", "strips"):
            Image.new("L", (2000, 100)).save(folder / f"{name}.png")
    (folder / "gallery.json").write_text(json.dumps({"version": 1} | facts))


BASELINES = [arm.name for arm in baseline_arms(balanced=True)]
CONTROLS = {f"real+{of.name}": {"model": of.model, "made": of.made} for of in (MORE_REAL, SAME_REAL)}


def detection(arm, rng, classes, skill, n_synthetic, seeds=3, models=("cgan", "sg2")):
    """Predictions right with probability `skill`, else one class further on; scores of two classes to match."""
    truth = np.repeat(np.arange(len(classes)), 40)
    repetitions = []
    for seed in range(seeds):
        wrong = rng.random(len(truth)) >= skill
        predicted = (truth + wrong) % len(classes)
        one = {"seed": seed, "seconds": 12.5} | _scores(truth, predicted, len(classes))
        if len(classes) == 2:
            odds = np.where(predicted == 1, 1.0, -1.0) + rng.normal(0, 0.3, len(truth))
            at = {"log_odds": 0.5} | _scores(truth, (odds >= 0.5).astype(int), 2)
            one |= {"log_odds": odds.tolist(), "auroc": roc_auc_score(truth, odds), "at_threshold": at}
        repetitions.append(one)
    added = arm not in BASELINES
    seen = [model for model in models if arm in (f"real+{model}", f"{model}-only")] or list(models)
    chosen = {"augmented": "augmented" in arm, "balanced": "balanced" in arm, "notes": []}
    chosen |= {"ratio": 1.0, "filter": "confidence", "keep": 0.5} if added else ALL_REAL
    chosen |= {"candidates": _candidates(skill) if added else []}
    chosen |= {"validation": [{"macro_f1": skill, "loss": 1 - skill}] * seeds}
    head = {"version": METHOD["detect"], "task": "classification", "dataset": "steel", "arm": arm, "classes": classes}
    drawn = [{"model": model, "made": "synthetic"} for model in seen]
    head |= {"synthetic": [CONTROLS[arm]] if arm in CONTROLS else drawn if added else []}
    head |= {"real": not arm.endswith("-only"), "chosen": chosen}
    head |= {
        "steps": 1,
        "settings": {"backbone": "frozen"},
        "n_real": 240,
        "n_synthetic": n_synthetic,
        "n_test": len(truth),
    }
    head |= {"mean": {}, "spread": {}, "truth": truth.tolist()}
    return head | {"groups": [f"g{i // 2}" for i in range(len(truth))], "repetitions": repetitions}


def _scores(truth, predicted, classes):
    scores = {"accuracy": accuracy_score(truth, predicted), "macro_f1": f1_score(truth, predicted, average="macro")}
    scores |= {"confusion": confusion_matrix(truth, predicted, labels=range(classes)).tolist()}
    return scores | {"f1": f1_score(truth, predicted, average=None).tolist(), "predicted": predicted.tolist()}


def _candidates(skill):
    """Of each recipe with all images, the first the best; and of this one with the surest half."""
    tried = [(recipe[:2], None, 1.0, 0.02 * i) for i, recipe in enumerate(recipes(balanced=True))]
    return [
        {"augmented": augmented, "balanced": balanced, "ratio": 1.0, "filter": sieve, "keep": keep}
        | {"validation": [{"macro_f1": skill - less - keep / 10, "loss": 0.4}]}
        for (augmented, balanced), sieve, keep, less in [*tried, ((False, False), "confidence", 0.5, 0.0)]
    ]


ARMS = [  # arm, skill, added images, repetitions: nothing is random in the first
    ("real", 0.80, 0, 1),
    ("real+more_real", 0.95, 180, 3),
    ("real+same_real", 0.80, 240, 3),
    ("real+cgan", 0.79, 240, 3),
    ("real+sg2", 0.97, 240, 3),
    ("real+all", 0.55, 480, 3),
]
BOX_ARMS = [  # arm, models, shares of the boxes that are found, ratio
    ("real", [], (0.5, 0.5), None),
    ("augmented", [], (0.6, 0.6), None),
    ("real+sg2", [("sg2", "synthetic")], (1.0, 0.75), 1),
    ("real+cgan.pseudo", [("cgan", "pseudo")], (0.55, 0.6), 0.5),
    ("real+all", [("sg2", "synthetic"), ("spots", "blended")], (0.1, 0.1), 1),
]
BOX_CLASSES = ["pit", "a <b> & $c$ {{ d }}"]


def box_arm(arm, models, found, ratio, real, rng, seeds=5):
    """One box of each class in each test image, of which so many are found; and a false alarm of each class."""
    tested = real[real["split"] == "test"]
    truth = [(i, k, [4 + 30 * k, 8, 26 + 30 * k, 40]) for i in range(len(tested)) for k in range(2)]
    repetitions = []
    for seed in range(seeds):
        marks = [(*mark, 0.35 + 0.6 * rng.random()) for mark in truth if rng.random() < found[mark[1]]]
        marks += [
            (i, k, [10, 44, 30, 60], 0.2 + 0.3 * rng.random()) for i in range(0, len(tested), 2) for k in range(2)
        ]
        score = {"map50": found[0], "map50_95": found[0] / 2, "ap50": list(found), "ap50_95": list(found)}
        repetitions.append({"seed": seed, "found": _columns(marks), "seconds": 12.5} | score)
    scores = [{"map50": found[0] - 0.02 * i, "map50_95": found[0] / 2} for i in range(2)]
    as_asked = {"augmented": bool(models), "balanced": False, "filter": None, "keep": 1.0, "validation": scores}
    tried = [as_asked | {"ratio": ratio} for ratio in (0.5, 1.0)]
    chosen = {"augmented": bool(models) or arm == "augmented", "balanced": False, "ratio": ratio, "filter": None}
    chosen |= {"keep": 1.0 if models else None, "candidates": tried if models else [], "validation": scores}
    chosen |= {"notes": ["a note on boxes"] if models else []}
    head = {"version": METHOD["detect_boxes"], "task": "boxes", "dataset": "steel", "arm": arm, "classes": BOX_CLASSES}
    head |= {"synthetic": [{"model": model, "made": made} for model, made in models], "real": True, "chosen": chosen}
    head |= {"steps": 1500, "settings": {"detector": "small", "backbone": "frozen"}, "mean": {}, "spread": {}}
    head |= {"n_real": 72, "n_synthetic": 24 * len(models), "n_test": len(tested), "n_background": 0}
    head |= {"ids": list(tested["id"]), "groups": list(tested["group"])}
    return head | {"truth": _columns(truth), "repetitions": repetitions}


def _columns(marks):
    return {
        name: [mark[i] for mark in marks]
        for i, name in enumerate(("image", "class_id", "box", "score")[: len(marks[0])])
    }


def write_box_arms(folder, real, rng):
    """The JSON files of BOX_ARMS, of detectors that find boxes in the test images of this table."""
    folder.mkdir(parents=True)
    return [write_results(folder / f"{arm}.json", box_arm(arm, *of, real, rng)) for arm, *of in BOX_ARMS]


def write_results(path, *results):
    """A file of arms, whose name is given back."""
    path.write_text(json.dumps(results), encoding="utf-8")
    return path


def member_of(name, inputs):
    return Member(name, inputs.real, {"classification": inputs.detection, "boxes": inputs.box_arms})


def compare(name, inputs, family=None, members=None):
    """Write `comparison.json` beside the arms; returns inputs that name it."""
    out = inputs.real.parent / "detection/comparison.json"
    comparison.write(members or [member_of(name, inputs)], name, family, out)
    return replace(inputs, comparison=out)


def make_run(root):
    """A run of one data set, two generators, two seeds: `inputs`, `settings`, `root`."""
    rng = np.random.default_rng(0)
    write_set(root / "steel/real", rng, HOSTILE, {"train": 24, "val": 4, "test": 8}, "photo.tif")
    rejected = [("broken <b>.tif", "truncated after 12 bytes"), ("notes.txt", "not an image")]
    pd.DataFrame(rejected, columns=["file", "reason"]).to_csv(root / "steel/real/rejected.csv", index=False)
    real = [
        row
        for name, part in (("real", 0), ("noise", 1), ("blurred noise", 0.4))
        for row in metric_rows(name, part, HOSTILE)
    ]
    write_evaluation(root / "steel/real/evaluation.json", "real", None, real, 0.3, ["a note on the floor"])

    runs = []
    for model, part, sigma, scalars in (
        ("cgan", 0.05, 1.6, ["loss/G", "loss/D"]),
        ("sg2", 0.01, 2.4, ["loss/G", "loss/D", "loss/R1", "ada/p", "ada/r_t"]),
    ):
        for seed in (0, 1):
            folder = root / f"steel/{model}/seed-{seed}"
            write_training(folder, rng, scalars)
            write_gif(folder / "progress.gif", rng)
            write_gallery(folder / "gallery", styled=model == "sg2")
            write_set(folder / "synthetic", rng, HOSTILE, {"train": 8}, model, sigma)
            rows = metric_rows(model, part, HOSTILE, scale=1 + 0.1 * seed)
            write_evaluation(folder / "evaluation.json", model, seed, rows, 5 * part * 20)
            runs.append(RunInputs(model, seed, folder))

    (root / "steel/detection").mkdir()
    arms = [detection(arm, rng, HOSTILE, skill, n, seeds) for arm, skill, n, seeds in ARMS]
    table = pd.read_csv(root / "steel/real/metadata.csv")
    boxes = write_box_arms(root / "steel/detection/boxes", table, np.random.default_rng(1))
    benchmark = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    (root / "train.tsv").write_text(benchmark + "3725.5\t1:02:05\t1843.2\t1\t1\t1\t1\t1\t90\t100\n")
    (root / "prepare.tsv").write_text(benchmark + "0.4\t0:00:00\t-\t-\t-\t-\t-\t-\t-\tNA\n")
    inputs = DatasetInputs(
        real=root / "steel/real",
        runs=runs,
        detection=[write_results(root / "steel/detection/arms.json", *arms)],
        box_arms=boxes,
        benchmarks={"prepare": root / "prepare.tsv", "train cgan, seed 0": root / "train.tsv", "gone": root / "no.tsv"},
    )
    inputs = compare("steel", inputs)
    settings = {
        "seeds": [0, 1],
        "datasets": {"steel": {"source": "data/<neu>", "size": SIZE}},
        "models": {
            "cgan": {"family": "cgan", "total_images": 200_000, "batch": 32},
            "sg2": {"family": "stylegan2_ada", "total_images": 200_000, "batch": 32},
        },
    }
    return SimpleNamespace(inputs=inputs, settings=settings, root=root)


FEW = {"steel_5": 5, "steel_10": 10, "steel_20": 20, "steel": None}
ALL_IMAGES = 36  # a class, in the set with null shots


def make_few_shots(root, models=("cgan", "sg2"), skill=None, names=FEW):
    """A family of data sets with detectors alone: `datasets` (inputs) and `settings`.

    `skill(arm, n)`: chance of a right answer of an arm with n real images a class. By default cgan's images are worth
    twice as many real ones, sg2's none, and images alone always teach the same.
    """
    skill = skill or few_shot_skill
    classes, plain = [HOSTILE[0], "scratch_es", "pits"], ("real", "augmented", "balanced")
    only = [f"{model}-only" for model in models]
    arms = [*plain, *(f"real+{model}" for model in models), *(["real+all"] if models else []), *only, *CONTROLS]
    datasets = {}
    for name in names:
        n = FEW[name] or ALL_IMAGES
        sources = [f"photo {i}.tif" for i in range(3 * (n + 8))]
        write_set(root / f"{name}/real", np.random.default_rng(0), classes, {"train": n, "test": 8}, sources)
        folder = root / f"{name}/detection"
        folder.mkdir()
        results = []
        for i, arm in enumerate(arms):
            body = detection(arm, np.random.default_rng([i, n]), classes, skill(arm, n), n, seeds=5, models=models)
            if arm in plain:
                body["chosen"]["validation"] = [{"macro_f1": 0.5 + 0.4 * (arm == "augmented"), "loss": 1.0}]
            results.append(body | {"dataset": name})
        datasets[name] = DatasetInputs(root / f"{name}/real", detection=[write_results(folder / "arms.json", *results)])
    datasets = compare_family(datasets)
    entries = {name: {"source": "data", "size": SIZE, "shots": FEW[name]} for name in names}
    return SimpleNamespace(datasets=datasets, settings={"datasets": entries}, root=root)


def compare_family(datasets):
    members = [member_of(name, inputs) for name, inputs in datasets.items()]
    return {name: compare(name, inputs, family="steel", members=members) for name, inputs in datasets.items()}


def few_shot_skill(arm, n):
    worth = {"real": 0.8, "balanced": 0.7, "augmented": 1, "real+cgan": 2, "real+sg2": 0.95, "real+all": 1.8}
    worth |= {"real+more_real": 3, "real+same_real": 1}
    return min(0.45 + 0.12 * np.log2(worth[arm] * n / 5), 0.98) if arm in worth else {"c": 0.5, "s": 0.62}[arm[0]]
