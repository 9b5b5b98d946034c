"""What `make plan` prints, and the commands that the pages name."""

import base64
import re
import resource
import shlex
import subprocess
import sys

import pytest
import yaml

from pipeline.base import results
from pipeline.training.forecast import START
from pyrite.plan import read
from tests import driver
from tests.forks import ROOT, Child

sys.path.insert(0, str(ROOT / "workflow"))
import plan

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "CHANGELOG.md")),
    *(path for folder, kind in (("docs", "*.md"), ("docs", "*.yaml"), ("config", "*.yaml"), ("pipeline", "*.py"))
      for path in (ROOT / folder).rglob(kind)),
]  # fmt: skip
TAKES_RULES = {"--forcerun", "-R", "--until", "-U", "--omit-from", "-O"}


SHOWN = """
rule train:
    benchmark: a b/benchmarks/steel/cgan-s0/train.tsv
    threads: 4
    resources: tmpdir=/tmp, runtime=26, seconds=600, gpu=0
[Mon Nov 30 03:09:14 2026]
localrule fetch:
    output: weights
    resources: tmpdir=<TBD>, mem_mb=1000
group job small:
    rule evaluate:
        benchmark: a b/benchmarks/steel/cgan-s0/evaluate.tsv
        resources: tmpdir=<TBD>, seconds=40
    rule evaluate:
        benchmark: a b/benchmarks/steel/wgan-s0/evaluate.tsv
        resources: tmpdir=<TBD>, seconds=20
rule evaluate_all:
    resources: tmpdir=<TBD>
rule all:
    resources: tmpdir=<TBD>
"""


def test_jobs_are_read_of_a_dry_run():
    folder = "a b/benchmarks/steel"
    assert list(plan.jobs(SHOWN)) == [
        ("train", f"{folder}/cgan-s0/train.tsv", 4, 600),
        ("fetch", "", 1, 0),
        ("evaluate", f"{folder}/cgan-s0/evaluate.tsv", 1, 40),
        ("evaluate", f"{folder}/wgan-s0/evaluate.tsv", 1, 20),
    ]
    assert not list(plan.jobs("Nothing to be done"))


def test_a_line_a_stage():
    jobs = [plan.Job(rule, "", 1, 0) for rule in ("collect", "train", "evaluate", "train", "prepare")]
    assert list(plan.lines(jobs, [7, 600, 40, 300, 3])) == [
        "prepare           1 job(s)     3 s: 1 prepare",
        "train             3 job(s)  15 min: 2 train, 1 collect",
        "evaluate          1 job(s)    40 s: 1 evaluate",
        "one after another: 16 min",
    ]
    rules = [rule for rules in plan.stages().values() for rule in rules]
    assert len(rules) == len(set(rules))
    assert len(plan.stages()) <= 19
    assert {"annotate_masks", "write_report"} < set(rules)


def test_what_jobs_should_take_is_kept_and_what_was_timed_counts(tmp_path, monkeypatch):
    """On a machine half as fast; four threads are twice as fast as one."""
    monkeypatch.setattr("pipeline.training.forecast.pace", lambda: 2.0)
    files = [f"benchmarks/steel/{name}.tsv" for name in ("a-s0/train", "b-s0/train", "a-s0/evaluate")]
    results.keep_forecasts(tmp_path, {files[0]: 900, files[2]: 900})
    jobs = [
        plan.Job(rule, f"{tmp_path}/{file}", 4, 60)
        for rule, file in zip(["train"] * 2 + ["evaluate"], files, strict=True)
    ]
    expected = [900, START + 60, START + 60]
    assert plan.keep([*jobs, plan.Job("fetch", "", 1, 0)]) == [*expected, START]
    assert results.forecasts(tmp_path) == {files[0]: 900, files[2]: START + 60}


def test_the_plan_of_the_demo(tmp_path, capfd, monkeypatch):
    """What a run would refuse is said before its generators are timed, which takes minutes."""
    looked: list[list[str]] = []
    monkeypatch.setattr(plan, "timed", lambda configurations: looked.append(configurations) or 0)
    demo = [str(ROOT / "config" / "config.yaml")]
    assert plan.main(demo, ["--directory", str(ROOT), "--config", f"set=results={tmp_path}"]) == 0
    said = capfd.readouterr().out.splitlines()
    assert len(said) <= 20
    assert said[-1].startswith("one after another: ")
    assert all(seconds >= START for seconds in results.forecasts(tmp_path).values())
    assert plan.main([str(ROOT / "config" / "quick.yaml")]) != 0
    refused = capfd.readouterr().out
    assert "ERROR: datasets: this setting has no default" in refused
    assert "what is laid over others, as config/quick.yaml is, comes after them" in refused
    assert looked == [demo]


def _processor_seconds(*words: str) -> tuple[float, str]:
    """Seconds of a processor, and what was printed: others may be at work here."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, done.stdout


def test_a_thousand_jobs_are_planned_in_six_times_what_snakemake_takes_to_start(tmp_path):
    seeds = ",".join(map(str, range(55)))
    start = _processor_seconds("--version")[0]
    planning, said = _processor_seconds(
        "--dry-run", "--quiet", "rules", "--config", f"set=results={tmp_path} seeds=[{seeds}]"
    )
    assert int(re.search(r"^total +(\d+)$", said, re.M)[1]) > 990
    start = (start + _processor_seconds("--version")[0]) / 2  # before and after: a machine may slow down meanwhile
    assert planning < 6 * start


@pytest.mark.parametrize(
    ("device", "there", "cards", "seeds", "threads"),
    [("auto", 0, 0, "[0]", 2), ("auto", 0, 0, "[0,1,2]", 1), ("auto", 2, 1, "[0,1,2]", 4), ("cpu", 2, 0, "[0,1,2]", 1)],
)
def test_generators_share_the_processors_where_no_card_is(tmp_path, device, there, cards, seeds, threads):
    """Two trainings a seed, of 64 pixels, on four processors: where cards are they queue for one, with all of these."""
    overrides = f"results={tmp_path} seeds={seeds} all_datasets.size=64 all_datasets.models=[cgan,ddpm]"
    words = ["--dry-run", "--cores", "4", "--config", f"set={overrides}"]
    shown = {"LD_LIBRARY_PATH": driver.built(tmp_path)} if there else {}
    dry = Child("snakemake.cli", *words, PYRITE_DEVICE=device, CUDA_VISIBLE_DEVICES=None, **shown)
    assert dry.wait() == 0, dry.said
    jobs = re.findall(r"^rule train:\n((?: .*\n)+)", dry.said, re.M)
    assert len(jobs) == 2 * len(seeds.split(","))
    for job in jobs:
        assert int((re.findall(r"threads: (\d+)", job) or [1])[0]) == threads
        assert int((re.findall(r"\bgpu=(\d+)", job) or [0])[0]) == cards


def planned(tmp_path, setting):
    """The rules of the jobs of the demo under a setting."""
    dry = Child("snakemake.cli", "--dry-run", "--config", f"set=results={tmp_path} {setting}")
    assert dry.wait() == 0, dry.said
    return {job.rule for job in plan.jobs(dry.said)}


@pytest.mark.parametrize(("backbone", "chosen"), [("scratch", True), ("frozen", False)])
def test_the_length_of_training_is_chosen_where_detectors_learn(tmp_path, backbone, chosen):
    assert ("choose_steps" in planned(tmp_path, f"detect.backbone={backbone}")) == chosen


def test_without_detectors_the_rest_is_planned(tmp_path):
    rules = planned(tmp_path, "detect=off")
    assert not [rule for rule in rules if "detect" in rule or "compare" in rule]
    assert "write_report" in rules


def test_results_without_a_record_of_their_settings_are_warned_of(tmp_path):
    """Snakemake compares settings with its own records, which stay behind where results are copied."""
    meta = tmp_path / "results" / "polycrystals" / "real" / "meta.json"
    for expected in (False, True, False):
        words = ["--cores", "1", "--configfile", str(ROOT / "config" / "config.yaml"), "--config"]
        dry = Child(
            "snakemake.cli", "--dry-run", "-s", str(ROOT / "workflow" / "Snakefile"), *words,
            f"set=results={tmp_path / 'results'}", folder=tmp_path,
        )  # fmt: skip
        assert dry.wait() == 0, dry.said
        assert ("with which settings 1 of 1 finished image sets" in dry.said) == expected
        if expected:
            record = tmp_path / ".snakemake" / "metadata" / base64.urlsafe_b64encode(bytes(meta)).decode()
            record.parent.mkdir(exist_ok=True, parents=True)
            record.touch()
        meta.parent.mkdir(exist_ok=True, parents=True)
        meta.touch()
        results.mark_names(tmp_path / "results")


def commands(text):
    """The words of each command of Snakemake in a text, lines that go on joined."""
    text = re.sub(r"\\\n[# \t]*", " ", text)
    for found in re.finditer(r"\bsnakemake +((?:-|[a-z_]+_all\b|results/)[^`\n#]*)", text):
        try:
            yield shlex.split(found[1])
        except ValueError:  # a quote that is closed further on
            yield found[1].split()


def late(words, targets):
    """Targets that come after an option, which takes them for its own."""
    options = [i for i, word in enumerate(words) if word.startswith("-")]
    after = range(options[0], len(words)) if options else []
    return [words[i] for i in after if (words[i] in targets or words[i].startswith("results/"))
            and words[i - 1] not in TAKES_RULES]  # fmt: skip


TARGETS = {f"{part}_all" for part in ("prepare", "train", "generate", "evaluate", "detect", "detect_boxes")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_come_before_options(page):
    for words in commands(page.read_text(encoding="utf-8")):
        assert not late(words, TARGETS), words


EVERY_FAMILY = [ROOT / "config" / name for name in ("config.yaml", "all-families.yaml")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_of_commands_can_be_set(page):
    """Snakemake reads each as YAML, and would make a mapping of `a={b: 1}`. Records are of configurations of their
    own."""
    if page.parent.name == "results":
        return
    settings = [word.removeprefix("set=") for words in commands(page.read_text(encoding="utf-8")) for word in words
                if word.startswith("set=") and "…" not in word]  # fmt: skip
    for text in settings:
        assert isinstance(yaml.safe_load(text), str), text
        read(EVERY_FAMILY, text)


def test_a_late_target_is_seen():
    (words,) = commands("call `snakemake --configfile x.yaml prepare_all`, then")
    assert late(words, TARGETS) == ["prepare_all"]
    (words,) = commands("snakemake --cores 2 \\\n  results/d/x.png --config set='a=1'")
    assert late(words, TARGETS) == ["results/d/x.png"]
    (words,) = commands("snakemake prepare_all --cores all -R train_all")
    assert not late(words, TARGETS)
