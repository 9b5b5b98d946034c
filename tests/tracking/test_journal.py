"""A journal keeps what was written, says how the job ended, and never stands in the job's way."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from pipeline.base.null_journal import NullJournal
from pipeline.tracking.journal import EVENTS, Journal, digest, git_tags, read_events

JOB = {"key": "steel/cgan/seed-0", "stage": "train", "name": "cgan-s0", "experiment": "steel"}


def events(folder, kind=None):
    return [e for _, e in read_events(folder / EVENTS) if kind in (None, e["t"])]


def points(folder, name):
    return [(e["images"], e["d"][name]) for e in events(folder, "metrics") if name in e["d"]]


def test_what_is_written_is_read_back_in_order(tmp_path):
    with Journal(
        tmp_path, **JOB, params={"batch": 32, "ada": {"target": 0.6, "on": None}}, tags={"seed": 0}
    ) as journal:
        journal.metrics({"loss/G": 1, "loss/D": float("inf")}, images=32)
        journal.final({"kid": 0.5})
        journal.artifact("progress.gif", "films")
        journal.dataset("steel", "abc", tmp_path, {"train": 5, "test": 2})
    head, params, tags, metrics, final, artifact, dataset, end = events(tmp_path)
    assert {k: head[k] for k in JOB} == JOB
    assert params["d"] == {"batch": "32", "ada.target": "0.6", "ada.on": "null"}
    assert tags["d"] == {"seed": "0"}
    assert (metrics["images"], metrics["d"]) == (32, {"loss/G": 1.0, "loss/D": float("inf")})
    assert final["d"] == {"kid": 0.5}
    assert (artifact["path"], artifact["dest"]) == (os.path.relpath("progress.gif", tmp_path), "films")
    assert (dataset["digest"], dataset["splits"]) == ("abc", {"train": 5, "test": 2})
    assert (end["status"], end["error"]) == ("FINISHED", None)


def test_reading_goes_on_from_any_offset(tmp_path):
    with Journal(tmp_path, **JOB) as journal:
        for images in range(5):
            journal.metrics({"loss": images}, images)
    everything = list(read_events(tmp_path / EVENTS))
    for i, (offset, _) in enumerate(everything):
        assert list(read_events(tmp_path / EVENTS, offset)) == everything[i + 1 :]


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("sick"), "FAILED"), (SystemExit(1), "KILLED"), (KeyboardInterrupt(), "KILLED")],
)
def test_the_end_tells_how_the_job_ended_and_hides_no_error(tmp_path, error, status):
    with pytest.raises(type(error)), Journal(tmp_path, **JOB):
        raise error
    end = events(tmp_path)[-1]
    assert end["status"] == status
    assert type(error).__name__ in end["error"]


def test_a_torn_line_costs_itself_alone(tmp_path):
    with Journal(tmp_path, **JOB) as journal:
        journal.metrics({"loss": 1}, 10)
    whole = (tmp_path / EVENTS).read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / EVENTS).write_bytes(b"".join(lines[:-1]) + lines[-1][:9])  # killed in the middle of the last line
    assert [e["t"] for e in events(tmp_path)] == ["start", "metrics"]
    with Journal(tmp_path, **JOB, resume=True) as journal:
        journal.metrics({"loss": 2}, 20)
    assert [e["t"] for e in events(tmp_path)] == ["start", "metrics", "resume", "metrics", "end"]


DAMAGED = [
    "{", "[]", "7", "\0\0\0", "[" * 10**5, '{"t": 7}', '{"t": "metrics"}', '{"t": "metrics", "images": 64}',
    '{"t": "metrics", "images": "many", "d": {"x": 1}}', '{"t": "metrics", "images": 96, "d": 7}',
    '{"t": "image", "images": null}', '{"t": ["metrics"]}',
]  # fmt: skip


@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_line_costs_itself_alone_and_the_attempt_goes_on(tmp_path, capsys, line):
    with Journal(tmp_path, **JOB) as journal:
        journal.metrics({"x": 1.0}, images=32)
    with open(tmp_path / EVENTS, "a") as file:
        file.write(line + "\n")
    attempt = events(tmp_path, "start")[0]["attempt"]
    with Journal(tmp_path, **JOB, resume=True) as journal:
        journal.metrics({"x": 2.0}, images=128)
    assert [event["d"]["x"] for event in events(tmp_path, "metrics") if "ts" in event] == [1.0, 2.0]
    assert events(tmp_path, "start")[0]["attempt"] == attempt
    assert "was lost" not in capsys.readouterr().err


def test_a_journal_without_a_whole_head_is_begun_anew(tmp_path, capsys):
    (tmp_path / EVENTS).write_text('{"t": "start", "ts": 1}\n')
    with Journal(tmp_path, **JOB, resume=True) as journal:
        journal.metrics({"x": 2.0}, images=128)
    assert points(tmp_path, "x") == [(128, 2.0)]
    assert "was lost" not in capsys.readouterr().err


def test_a_write_cut_short_by_a_full_disk_costs_itself_alone(tmp_path, monkeypatch, capsys):
    write, full = os.write, []
    journal = Journal(tmp_path, **JOB)
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7] if full else data))
    journal.metrics({"loss": 1}, 1)
    full.append(True)
    journal.metrics({"loss": 2}, 2)
    full.clear()
    journal.metrics({"loss": 3}, 3)
    assert points(tmp_path, "loss") == [(1, 1.0), (3, 3.0)]


def test_nothing_that_goes_wrong_reaches_the_job(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for journal in (Journal(tmp_path / "file", **JOB), Journal(tmp_path / "ok", **JOB), NullJournal()):
        with journal:
            journal.metrics({"loss": "not a number"}, 1)
            journal.metrics({"loss": 1}, "not a count")
            journal.image("samples", tmp_path / "missing.png", 1)
            journal.model("generator", tmp_path / "missing")
    assert [e["t"] for e in events(tmp_path / "ok")] == ["start", "end"]
    assert capsys.readouterr().err.count("an event was lost") == 2  # once a journal


def test_killed_at_any_moment_all_whole_lines_remain(tmp_path):
    code = f"""
from pipeline.base.null_journal import NullJournal
from pipeline.tracking.journal import Journal
journal, i = Journal({str(tmp_path)!r}, **{JOB!r}), 0
while True:
    journal.metrics({{"loss": i}}, i)
    i += 1
"""
    writer = subprocess.Popen([sys.executable, "-c", code])
    path = tmp_path / EVENTS
    while not path.exists() or path.stat().st_size < 50_000:
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    found = points(tmp_path, "loss")
    assert len(found) > 100
    assert found == [(i, float(i)) for i in range(len(found))]


def test_a_job_imports_nothing_but_the_standard_library(tmp_path):
    code = f"""
import sys
before = set(sys.modules)
from pipeline.base.null_journal import NullJournal
from pipeline.tracking.journal import Journal
with Journal({str(tmp_path)!r}, **{JOB!r}, params={{"a": 1}}) as journal:
    journal.metrics({{"loss": 1}}, 1)
roots = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(roots - set(sys.stdlib_module_names)))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["pipeline"]


# ---------------------------------------------------------------- attempts


def attempt(folder):
    return events(folder)[0]["attempt"]


def train(folder, steps, resume=True, status="FINISHED"):
    journal = Journal(folder, **JOB, resume=resume, params={"batch": 1})
    for images in steps:
        journal.metrics({"loss": 1000 + images}, images)
    journal.close(status)


@pytest.mark.parametrize("status", ["KILLED", "FAILED", "FINISHED"])
def test_going_on_from_a_checkpoint_continues_the_attempt_and_repeats_no_point(tmp_path, status):
    train(tmp_path, [0, 10, 20, 30], status=status)
    first = attempt(tmp_path)
    train(tmp_path, [20, 30, 40, 50])
    assert attempt(tmp_path) == first
    assert points(tmp_path, "loss") == [(i, 1000.0 + i) for i in (0, 10, 20, 30, 40, 50)]


@pytest.mark.parametrize("resume", [True, False])
def test_beginning_anew_is_a_new_attempt_and_sets_the_old_one_aside(tmp_path, resume):
    train(tmp_path, [0, 10, 20])
    first = attempt(tmp_path)
    train(tmp_path, [0, 10], resume)
    second = attempt(tmp_path)
    train(tmp_path, [0], resume)
    assert len({first, second, attempt(tmp_path)}) == 3
    assert events(tmp_path)[0]["supersedes"] == [first, second]
    assert points(tmp_path, "loss") == [(0, 1000.0)]
    assert events(tmp_path, "params")[0]["d"] == {"batch": "1"}
    old = [e for _, e in read_events(tmp_path / f"events.{first}.jsonl")]
    assert [e["images"] for e in old if e["t"] == "metrics"] == [0, 10, 20]


def test_a_finished_job_that_only_writes_its_results_again_stays_the_same_attempt(tmp_path):
    train(tmp_path, [0, 10])
    first = attempt(tmp_path)
    with Journal(tmp_path, **JOB, resume=True) as journal:
        journal.final({"train/seconds": 5})
    assert attempt(tmp_path) == first
    assert len(points(tmp_path, "loss")) == 2


# ---------------------------------------------------------------- images, models, helpers


def test_an_image_is_copied_whole_and_small_under_the_name_mlflow_expects(tmp_path):
    Image.new("RGB", (600, 300), (200, 10, 10)).save(tmp_path / "grid.png")
    with Journal(tmp_path / "journal", **JOB) as journal:
        journal.image("grid/all", tmp_path / "grid.png", 1280)
    (event,) = events(tmp_path / "journal", "image")
    assert re.fullmatch(r"grid~all\+step\+1280\+timestamp\+\d{13}\+[0-9a-f-]{36}", event["file"])
    folder = tmp_path / "journal" / "images"
    assert (folder / f"{event['file']}.png").read_bytes() == (tmp_path / "grid.png").read_bytes()
    with Image.open(folder / f"{event['file']}+compressed.webp") as small:
        assert small.size == (256, 128)


def test_the_digest_depends_on_values_and_not_on_order():
    assert digest({"a": 1, "b": [2, 3]}) == digest({"b": [2, 3], "a": 1})
    assert digest({"a": 1, "b": [2, 3]}) != digest({"a": 1, "b": [3, 2]})
    assert re.fullmatch("[0-9a-f]{12}", digest(None))


def test_git_tags_name_the_commit_and_whether_files_differ_from_it(tmp_path):
    assert git_tags(tmp_path / "nowhere") == {}
    who = ["-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false"]
    git = ["git", "-C", str(tmp_path), *who]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "file").write_text("1")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    clean = git_tags(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", clean["git_commit"])
    assert clean["git_dirty"] == "false"
    (tmp_path / "file").write_text("2")
    assert git_tags(tmp_path) == clean | {"git_dirty": "true"}


def test_a_line_is_json_of_its_own(tmp_path):
    with Journal(tmp_path, **JOB, tags={"note": "two\nlines", "µ": "…"}):
        pass
    assert [json.loads(line)["t"] for line in (tmp_path / EVENTS).read_text().splitlines()] == ["start", "tags", "end"]
