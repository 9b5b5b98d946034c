import base64
import json
import logging
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict
from functools import cache
from pathlib import Path

import psutil
from snakemake import __version__ as snakemake_version
from snakemake.persistence import MetadataRecord

from pipeline.base import cards, needs, results, user
from pipeline.base.failed_logs import killed, last_lines, way_on
from pipeline.base.files import write_whole
from pipeline.data.annotations import files as annotation_files
from pipeline.data.reading.inputs import fingerprint
from pipeline.data.reading.source import check_source, files, listing
from pipeline.downstream.arms import SyntheticSet
from pipeline.downstream.registry import TASKS
from pipeline.settings import (
    METHOD,
    STYLED,
    UNTRAINED,
    UserError,
    draws_of,
    families,
    gallery_of,
    generate_of,
    load,
    teacher_of,
    placeless,
    places,
)
from pipeline.tracking.tensorboard import check as check_tensorboard
from pipeline.base.weights import WEIGHTS, in_cache, place

try:
    SETTINGS = load(config)
    results.check_names(Path(SETTINGS.results))
    # Not through `params`: what a machine has makes nothing anew.
    os.environ.update(cards.environment(SETTINGS.device, SETTINGS.jobs_per_gpu))
    os.environ.update(user.named())
    for name, dataset in SETTINGS.datasets.items():
        if dataset.patches_of is None:
            check_source(dataset, name)
        if dataset.boxes:
            annotation_files.files(dataset.boxes, f"datasets.{name}.boxes")
    if SETTINGS.tracking.tensorboard:
        check_tensorboard()
except UserError as error:
    sys.exit(f"ERROR: {error}")


def unreadable(record):
    """Whether what Snakemake noted of a finished job is of a kind that this Snakemake does not read."""
    try:
        noted = json.loads(record.read_text(encoding="utf-8"))
        if noted:
            MetadataRecord.model_validate(noted)
    except json.JSONDecodeError:
        return False  # which it passes over by itself
    except ValueError:
        return True
    return False


def check_records(folder):
    """End where another version of Snakemake, or a crash, left records that would end this one in a traceback."""
    records = [path for path in folder.rglob("*") if path.is_file()]
    if found := list(filter(unreadable, records)):
        delete = found[0] if len(found) == 1 else folder
        sys.exit(
            f"ERROR: {folder}: {len(found)} of the {len(records)} records of finished jobs are damaged, or of another "
            f"Snakemake than this ({snakemake_version}). Go on with that one, or delete {delete}: finished work "
            "stays, but a setting that was changed since it was made is not seen"
        )


def room_trouble():
    """A line where Snakemake cannot write what it keeps for itself, which it would say by many; else nothing."""
    own = Path(".snakemake/room").absolute()
    try:
        write_whole(own, bytes(1 << 16))
        own.unlink(missing_ok=True)
    except UserError as error:
        return f"ERROR: {error}; Snakemake keeps its records where a run is started"
    return ""


def noted(path):
    """Whether Snakemake has a record of a finished file, which it keeps where a run is started."""
    name = base64.urlsafe_b64encode(path.encode()).decode()
    parts = re.findall(".{1,254}", name)
    return Path(
        ".snakemake/metadata", *(f"@{part}" for part in parts[:-1]), parts[-1]
    ).is_file()


def unknown_settings():
    """A line where image sets are finished, and nothing tells with which settings; else nothing."""
    files = [
        f"{SETTINGS.results}/{places.REAL}/meta.json".format(dataset=name)
        for name in SETTINGS.datasets
    ]
    made = [file for file in files if Path(file).is_file()]
    unknown = [file for file in made if not noted(file)]
    if not unknown:
        return ""
    return (
        f"WARNING: {SETTINGS.results}: with which settings {len(unknown)} of {len(made)} finished image sets, and what "
        "follows from them, were made is not noted here, as of results that were copied, moved or are called by "
        "another path: a setting that was changed since is not seen. `--forceall` makes all anew"
    )


logging.raiseExceptions = False  # a log that cannot be written costs no traceback
if workflow.is_main_process:
    if trouble := room_trouble():
        sys.exit(trouble)
    check_records(Path(".snakemake/metadata"))
    if warning := unknown_settings():
        print(warning, file=sys.stderr)

STARTED = time.time()
INPUTS = Path(SETTINGS.results) / "state" / "inputs"  # what was read, noted by the jobs
DATASETS = list(SETTINGS.datasets)
LABELLED = [
    name for name, dataset in SETTINGS.datasets.items() if dataset.labels.rule != "none"
]
BOXED = [name for name, dataset in SETTINGS.datasets.items() if dataset.boxes]
MASKED = [
    name for name in BOXED if annotation_files.with_masks(SETTINGS.datasets[name].boxes)
]
GOOD = [name for name, dataset in SETTINGS.datasets.items() if dataset.good is not None]
PATCHES = SETTINGS.patch_sets()
MODELS = list(SETTINGS.models)
DRAW_BOXES = [name for name, model in SETTINGS.models.items() if model.draws_boxes]
DRAW_NONE = [name for name in MODELS if name not in DRAW_BOXES]
FAMILIES = {name: model.family for name, model in SETTINGS.models.items()}
WITHOUT_TRAINING = [name for name in MODELS if FAMILIES[name] in UNTRAINED]
TRAINED = [name for name in MODELS if name not in WITHOUT_TRAINING]
GALLERIES = {
    name: gallery_of(SETTINGS.gallery, family) for name, family in FAMILIES.items()
}
IMAGE_SET = ["images.npy", "metadata.csv", "meta.json"]
REAL = [f"<results>/{places.REAL}/{name}" for name in IMAGE_SET]
BOX_FILES = ["boxes.csv", "boxes.json"]
BOXES = [f"<results>/{places.REAL}/{name}" for name in BOX_FILES]
MASKS = f"<results>/{places.REAL}/masks.npy"
RUN = f"<results>/{places.RUN}"
SYNTHETIC = [f"{RUN}/synthetic/{name}" for name in IMAGE_SET]
PSEUDO = f"{RUN}/pseudo"
MISSED = f"{RUN}/missed"
GALLERY = f"{RUN}/gallery"
ENVIRONMENT = "../../envs/pyrite.yaml"
WEIGHTS_FILE = os.path.join(
    os.sep, "{folder}", "{weights}"
)  # in a cache of the user's, anywhere


def either(names):
    """A pattern of any of the names; one that nothing matches where there are none."""
    return "|".join(map(re.escape, names)) or r"(?!)"


def made_sets(task, dataset):
    """The synthetic image sets of a data set that detectors of a task can learn from."""
    models, labelled = SETTINGS.models_of(dataset), SETTINGS.detect.boxes.pseudo_labels
    boxed = task == "boxes"
    missed = [
        SyntheticSet(name, "missed")
        for name in models
        if name in SETTINGS.detect.missed and (name in DRAW_BOXES) == boxed
    ]
    if task == "anomalies":
        return [SyntheticSet(name, "synthetic") for name in models]
    if task == "classification":
        return [*(SyntheticSet(name, "synthetic") for name in models), *missed]
    painters = SETTINGS.models_of(PATCHES[dataset]) if dataset in PATCHES else []
    return [
        *(SyntheticSet(name, "synthetic") for name in models if name in DRAW_BOXES),
        *(SyntheticSet(name, "blended") for name in painters),
        *(SyntheticSet(name, "pseudo") for name in models if name in labelled),
        *missed,
    ]


def holds_back(dataset):
    """Whether real images are held back for the positive control of the detectors."""
    few = SETTINGS.few_shots(dataset)
    return few is not None and few.control > 0


LEARNS = SETTINGS.detect.backbone != "frozen"  # whether classifiers learn step by step
LENGTH = f"<results>/{places.DETECTION}/steps.json"  # how many steps they take
BOX_LENGTH = f"<results>/{places.DETECTION}/boxes/steps.json"  # those of boxes
DETECTED = DATASETS if SETTINGS.detect.enabled else []  # where detectors are wanted
# By task and data set, its arms by their names.
ARMS = {
    task: {
        name: TASKS[task].arms(made_sets(task, name), more_real=holds_back(name))
        for name in datasets
        if name in DETECTED
    }
    for task, datasets in (
        ("classification", [name for name in LABELLED if name not in GOOD]),
        ("boxes", [name for name in BOXED if name not in GOOD]),
        ("anomalies", GOOD),
    )
}
COMPARED = [name for name in DETECTED if name in LABELLED or name in BOXED]
PLAIN_DATASETS = SETTINGS.model_dump(mode="json")["datasets"]
FAMILIES_OF_SHOTS = families(PLAIN_DATASETS)
FAMILY_OF = {
    name: family.name
    for family in FAMILIES_OF_SHOTS
    for name in family.datasets.values()
}


def judged_alike(dataset):
    """The data sets that differ from this one in their shots alone, itself among them."""
    return next(
        (
            list(family.datasets.values())
            for family in FAMILIES_OF_SHOTS
            if dataset in family.datasets.values()
        ),
        [dataset],
    )


def drawn_alike(dataset):
    """Of a first draw, the data sets that are judged alike in each draw; those that are drawn once stand in each."""
    alike = {name: draws_of(PLAIN_DATASETS, name) for name in judged_alike(dataset)}
    own = alike.get(dataset, [dataset])
    if own[0] != dataset:  # a further draw stands for itself
        return [[dataset]]
    return [
        [draws[number if len(draws) == len(own) else 0] for draws in alike.values()]
        for number in range(len(own))
    ]


def jobs(task, dataset):
    """The arms of each job that trains detectors, by the name of its file. On a frozen backbone one job has them all:
    an arm takes a second there, and a job several to start."""
    arms = ARMS[task].get(dataset, {})
    frozen = {"classification": not LEARNS, "anomalies": True}
    if frozen.get(task):
        return {"arms": list(arms.values())} if arms else {}
    return {name: [arm] for name, arm in arms.items()}


def number_of_jobs(task):
    """That train detectors."""
    return sum(len(jobs(task, dataset)) for dataset in ARMS[task])


def job_names(task):
    """A pattern of the names of all data sets' jobs."""
    return either(
        sorted({name for dataset in ARMS[task] for name in jobs(task, dataset)})
    )


def results_of(task, dataset):
    """Of all arms of a data set."""
    return [
        f"<results>/{places.DETECTION.format(dataset=dataset)}/{TASKS[task].place(job)}.json"
        for job in jobs(task, dataset)
    ]


def run_of(dataset, model):
    """The folder of a model's first seed, whose images detectors see."""
    return places.RUN.format(dataset=dataset, model=model, seed=SETTINGS.seeds[0])


def added_by(task, dataset, job):
    """The folders of the synthetic image sets that the arms of a job add to the real one."""
    sets = [one for arm in jobs(task, dataset)[job] for one in arm.synthetic]
    return {
        one: f"{run_of(dataset, one.model)}/{one.made}"
        for one in dict.fromkeys(sets)
        if one.made != "control"
    }


def synthetic_sets(task, dataset, job, files):
    """Their files."""
    return [
        f"<results>/{folder}/{file}"
        for folder in added_by(task, dataset, job).values()
        for file in files
    ]


def detection_params(task, dataset, job):
    """What a job that trains detectors is told of its arms."""
    return {
        "arms": [asdict(arm) for arm in jobs(task, dataset)[job]],
        "synthetic": [
            [asdict(one), folder]
            for one, folder in added_by(task, dataset, job).items()
        ],
    }


@cache
def counted(dataset, prepared):
    own = SETTINGS.datasets[dataset]
    of = SETTINGS.datasets[own.patches_of or dataset]
    pictures = [] if of.source == "voronoi" else listing(of.source)
    found = needs.Images.of(of, prepared, (Path(one.path) for one in pictures))
    height, width = own.shape
    return found._replace(pixels=height * width)


def images(dataset):
    """How many images a data set has, as far as one knows yet, and how large they are."""
    there = f"{SETTINGS.results}/{places.REAL.format(dataset=dataset)}/images.npy"
    return counted(dataset, there if os.path.isfile(there) else None)


def classes(dataset):
    """How many a data set has; ten where its settings do not tell."""
    own = SETTINGS.datasets[dataset]
    drawn_here = own.voronoi.classes if own.source == "voronoi" else []
    return len(own.labels.classes or drawn_here) or 10


def drawn(dataset):
    """How many images a synthetic set has, about."""
    each = SETTINGS.generate.images_per_class
    return classes(dataset) * each if each else images(dataset).number


def elsewhere():
    """Whether jobs run on nodes of a cluster."""
    return workflow.remote_exec or workflow.non_local_exec


@cache
def on_card():
    """Whether jobs may compute on a graphics card: not where this machine has none, or the settings or the user want
    processors. Of the nodes of a cluster only its scheduler knows.
    """
    wanted = cards.wanted_device()
    return wanted != "cpu" and (
        wanted != "auto" or elsewhere() or bool(cards.visible())
    )


def slot(w):
    """Of a job that can use a card: resource `gpu`."""
    return int(on_card())


def of_training(w):
    return needs.training(SETTINGS.models[w.model], images(w.dataset), on_card())


def of_drawing(w):
    card = on_card() and w.model in TRAINED
    drawn_at_once = SETTINGS.generate.batch
    return needs.drawing(
        FAMILIES[w.model], drawn(w.dataset), drawn_at_once, images(w.dataset), card
    )


def of_gallery(w):
    batch = SETTINGS.gallery.batch
    return needs.drawing(FAMILIES[w.model], 1000, batch, images(w.dataset), on_card())


def of_measuring_real(w):
    real = images(w.dataset)
    return needs.evaluating(real, real.number, on_card())


def of_evaluating(w):
    real, made = images(w.dataset), drawn(w.dataset)
    return needs.evaluating(real._replace(number=real.number + made), made, on_card())


def learnt(dataset):
    """How many images of a data set train, about."""
    few = SETTINGS.datasets[dataset].shots
    return classes(dataset) * few if few else images(dataset).number


def of_detectors(task):
    """Of a job of the task, from its wildcards."""
    detect = SETTINGS.detect
    asked = {
        "classification": lambda w, *of: needs.classifying(
            detect, len(jobs(task, w.dataset)[w.detectors]), learnt(w.dataset), *of
        ),
        "boxes": lambda w, *of: needs.finding(detect.boxes, *of),
        "anomalies": lambda w, *of: needs.telling_good(
            detect.anomalies, len(jobs(task, w.dataset)[w.anomaly_job]), *of
        ),
    }
    return lambda w: asked[task](w, images(w.dataset), on_card())


def of_one_detector(w):
    """Of the classifier of a data set."""
    of = images(w.dataset)
    return needs.classifying(SETTINGS.detect, 1, learnt(w.dataset), of, on_card())


def of_box_detectors(number):
    """Of a job that trains so many of a data set."""
    return lambda w: needs.finding(
        SETTINGS.detect.boxes, images(w.dataset), on_card(), number
    )


def of_box_length():
    """How many detectors of boxes, as long as the longest, take as long as those that choose their length: half, a
    quarter and an eighth are less than a whole one more."""
    return 2 * len(TASKS["boxes"].recipes()) * SETTINGS.detect.boxes.selection_runs


def of_preparation(w):
    if SETTINGS.datasets[w.dataset].source == "voronoi":  # none is like another
        return of_reading(w)
    return needs.preparing(images(w.dataset))


def of_reading(w):
    return needs.reading(images(w.dataset))


def asked(of):
    """Resources of a job: MB, more at the second and the third attempt (the later ones want more time, or were in
    someone's way); minutes, more at each; and the seconds that it should take, which `make plan` reads.
    """
    return {
        "mem_mb": lambda w, attempt: min(attempt, 3) * of(w).mem_mb,
        "runtime": lambda w, attempt: min(attempt * of(w).minutes, needs.LONGEST),
        "seconds": lambda w: of(w).seconds,
    }


def threads(of, count=1):
    """Of a job, of which a run has `count`. On this machine's processors they share these and its memory."""

    def shared(w):
        job = of(w)
        if on_card() or elsewhere() or not workflow.cores:
            return job.threads
        mb = psutil.virtual_memory().total / 1e6
        return needs.side_by_side(job, max(1, count), workflow.cores, mb)

    return shared


pathvars:
    results=SETTINGS.results,


wildcard_constraints:
    dataset="|".join(DATASETS),
    model="|".join(MODELS),
    seed=r"\d+",
    detectors=job_names("classification"),
    box_arm=job_names("boxes"),
    anomaly_job=job_names("anomalies"),
    weights="|".join(re.escape(of.file) for of in WEIGHTS.values()),


def see_new_folders():
    """In a store of objects, whose plugin (0.3.6) looks but once whether a folder is there: before it is made."""
    from snakemake_storage_plugin_s3 import StorageObject

    StorageObject.is_dir = lambda self: any(self.get_subkeys())


if workflow.storage_settings.default_storage_provider == "s3":
    see_new_folders()


def every_run(pattern, of=MODELS):
    return [
        file
        for dataset in DATASETS
        for file in expand(
            pattern,
            dataset=dataset,
            model=[name for name in SETTINGS.models_of(dataset) if name in of],
            seed=SETTINGS.seeds,
        )
    ]


def every_gallery():
    """Of the models whose family can draw a part that the settings ask for."""
    return [
        file
        for dataset in DATASETS
        for file in expand(
            GALLERY,
            dataset=dataset,
            model=[name for name in SETTINGS.models_of(dataset) if GALLERIES[name]],
            seed=SETTINGS.seeds,
        )
    ]


def every_arm(task):
    """Of the data sets that have what the task asks for."""
    return [file for dataset in ARMS[task] for file in results_of(task, dataset)]


def every_comparison():
    """Of the data sets that have classes or boxes."""
    return expand(f"<results>/{places.DETECTION}/{places.COMPARISON}", dataset=COMPARED)


def every_box_set():
    """Of the data sets that have boxes."""
    return [*expand(BOXES, dataset=BOXED), *expand(MASKS, dataset=MASKED)]


def of_source(dataset):
    if dataset.source == "voronoi":
        return None
    return fingerprint(files(dataset, annotation_files.masks_of(dataset)), INPUTS)


def of_preparing(dataset):
    """What the images of a data set depend on: its boxes only where they place the cut or tell the classes of tiles,
    and of masks that lie among the images the place."""
    settings = placeless(
        dataset, {"voronoi", "models", "patches_of", "patches", "draws", "draw"}
    )
    if dataset.needs_boxes:
        return settings
    boxes = settings.pop("boxes")
    if annotation_files.masks_among_images(dataset):
        settings["boxes"] = {"format": boxes["format"]}
    return settings


def of_annotations(dataset):
    return fingerprint(annotation_files.files(dataset.boxes), INPUTS)


def journal(place):
    """Where a job keeps its journal; no rule declares it, for Snakemake would delete it."""
    return f"{SETTINGS.results}/journal/{place}"


def inception():
    """Inception's weights, only where they are wanted and to be had, so that no run downloads by surprise."""
    wanted = SETTINGS.evaluate.inception
    folder = SETTINGS.evaluate.weights
    found = wanted == "on" or (wanted == "auto" and in_cache("inception", folder))
    return [place("inception", folder)] if found else []


def lpips():
    """LPIPS's weights, as Inception's."""
    wanted = SETTINGS.evaluate.lpips
    folder = SETTINGS.evaluate.weights
    names = ("alexnet", "lpips")
    found = wanted == "on" or (
        wanted == "auto" and all(in_cache(name, folder) for name in names)
    )
    return [place(name, folder) for name in names] if found else []


def vgg19(model):
    """VGG19's weights, only where the model asks for texture losses."""
    texture = SETTINGS.models[model].model_dump().get("texture")
    return [place("vgg19", texture["weights"])] if texture else []


def held_out(model):
    """Inception's weights, only where the model is watched by them."""
    chosen = SETTINGS.models[model].held_out
    wanted = chosen is not None and chosen.features == "inception"
    return [place("inception", chosen.weights)] if wanted else []


def start_of(model):
    """What a model begins with: a snapshot, or the files of another model, made first where it is of this run."""
    path = os.path.expanduser(SETTINGS.models[model].init_from or "")
    if not path or os.path.isfile(path):
        return [path] if path else []
    folder = os.path.normpath(path)
    return [f"{folder}/{places.WEIGHTS}", f"{folder}/{places.RECIPE}"]


def extractors():
    wanted = {"inception": inception(), "imagenet": SETTINGS.evaluate.imagenet}
    return ["random", *(name for name, made in wanted.items() if made)]


def tracking(command):
    uri = SETTINGS.tracking.uri or ""
    also = [f"--experiment={SETTINGS.tracking.experiment}"]
    also += ["--tensorboard"] if SETTINGS.tracking.tensorboard else []
    return [
        sys.executable,
        "-m",
        "pipeline.tracking.sync",
        command,
        uri,
        SETTINGS.results,
        *also,
    ]


def say_untruncated():
    """The models that `generate.truncation` does not reach."""
    without = [name for name, family in FAMILIES.items() if family not in STYLED]
    if SETTINGS.generate.truncation != 1 and without:
        print(
            f"generate.truncation: {SETTINGS.generate.truncation:g} is not for {', '.join(without)}, which have no "
            "styles; they are drawn without",
            file=sys.stderr,
        )


def start_run():
    """Take the results for this process, and start the MLflow follower."""
    global RESULTS_LOCK
    try:
        RESULTS_LOCK = results.claim(Path(SETTINGS.results))
        results.mark_names(Path(SETTINGS.results))
        if results.of_the_future(Path(SETTINGS.results)):
            results.bring_to_present(Path(SETTINGS.results))
    except UserError as error:
        sys.exit(f"ERROR: {error}")
    say_untruncated()
    log = open(Path(SETTINGS.results) / "tracking.log", "a")
    subprocess.Popen(
        [*tracking("follow"), "--parent", str(os.getpid())],
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def finish_run():
    """Bring MLflow up to date; a store that is away costs a line, never the run."""
    try:
        subprocess.run(tracking("once"), timeout=120, check=False)
    except subprocess.TimeoutExpired:
        print(
            "tracking: no answer in 120 s; nothing is lost, `make ui` or the next run catches up",
            file=sys.stderr,
        )


def say_result():
    """What a run that made the report found, and where it is."""
    page = Path(SETTINGS.results) / "report.html"
    if page.is_file() and page.stat().st_mtime >= STARTED:
        console = [sys.executable, "-m", "pipeline.report.console", "--ending"]
        subprocess.run([*console, SETTINGS.results], check=False)


def show_failed(logs):
    """Which jobs were killed, and what failed ones said last, at the end of all that a run has printed."""
    for log in logs:
        text = Path(log).read_text(encoding="utf-8", errors="replace")
        for line in (*last_lines(text), *killed(text), *way_on(text)):
            print(line, file=sys.stderr)
    if trouble := room_trouble():
        print(trouble, file=sys.stderr)
    if results.of_the_future(Path(SETTINGS.results)):
        print(
            "ERROR: the clock of this machine was set back while the run was at work, and what jobs made is older than "
            "what they made it of; the same command goes on",
            file=sys.stderr,
        )
