"""TensorBoard reads from the event files what the journals hold, in however many pieces they were written."""

import importlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.settings import UserError
from pipeline.tracking import tensorboard
from pipeline.tracking.journal import EVENTS, Journal, read_events
from pipeline.tracking.sync import once
from pipeline.tracking.tensorboard import View

pytest.importorskip("tensorboard", reason="the package tensorboard is not installed (pyrite[tensorboard])")

RUN = "steel/cgan-s0"


class Results:
    """A results folder with the journals of one generator."""

    def __init__(self, root: Path):
        self.root, self.view = root, View(root)

    def journal(self, stage="train", **options) -> Journal:
        names = {"key": "steel/cgan/seed-0", "stage": stage, "name": "cgan-s0", "experiment": "steel"}
        return Journal(self.root / "journal" / stage, **names, attach=stage != "train", **options)

    def picture(self, shade: int) -> Path:
        """6 pixels wide, 4 high."""
        Image.fromarray(np.full((4, 6), shade, np.uint8)).save(self.root / "grid.png")
        return self.root / "grid.png"

    def train(self) -> None:
        with self.journal(params={"batch": 32, "ada": {"target": 0.6}}, tags={"family": "cgan"}) as journal:
            journal.metrics({"loss/G": 0.5, "loss/D": 1.25}, images=320)
            journal.image("samples", self.picture(10), images=320)
            journal.metrics({"loss/G": 0.25}, images=640)
            journal.final({"kid": 0.125})

    def refresh(self) -> None:
        self.view.refresh()
        assert self.view.trouble == ""

    @property
    def run(self) -> Path:
        return self.root / "tensorboard" / RUN

    def files(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.run.iterdir()}

    def read(self):
        """What TensorBoard shows."""
        module = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
        reader = module.EventAccumulator(str(self.run), size_guidance=dict.fromkeys(module.DEFAULT_SIZE_GUIDANCE, 0))
        reader.Reload()
        return reader

    def curves(self) -> dict[str, list[tuple[int, float]]]:
        reader = self.read()
        return {tag: [(p.step, p.value) for p in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path)


def test_curves_scores_pictures_and_settings_are_those_of_the_journal(results):
    results.train()
    with results.journal("evaluate", params={"subsets": 50}) as journal:
        journal.final({"fid": 31.5})
    results.refresh()
    assert results.curves() == {
        "loss/G": [(320, 0.5), (640, 0.25)],
        "loss/D": [(320, 1.25)],
        "final/kid": [(0, 0.125)],
        "final/fid": [(0, 31.5)],
    }
    reader = results.read()
    (picture,) = reader.Images("samples")
    assert (picture.step, picture.width, picture.height) == (320, 6, 4)
    with Image.open(io.BytesIO(picture.encoded_image_string)) as image:
        assert np.array(image).tolist() == [[10] * 6] * 4
    texts = {tag: reader.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in reader.Tags()["tensors"]}
    assert texts == {
        "train/settings": "    batch: 32\n    ada.target: 0.6",
        "train/tags": "    family: cgan",
        "train/status": "    FINISHED",
        "evaluate/settings": "    subsets: 50",
        "evaluate/status": "    FINISHED",
    }


def test_times_are_those_of_the_journal(results):
    results.train()
    results.refresh()
    events = [event for _, event in read_events(results.root / "journal" / "train" / EVENTS)]
    times = [point.wall_time for point in results.read().Scalars("loss/G")]
    assert times == [event["ts"] / 1000 for event in events if event["t"] == "metrics"]


def test_a_file_that_grew_with_its_journal_equals_one_made_at_once(results):
    with results.journal(params={"batch": 32}) as journal:
        results.refresh()
        for images in (320, 640, 960):
            journal.metrics({"loss/G": images / 1000}, images)
            journal.image("samples", results.picture(images % 256), images)
            before = results.files()
            results.refresh()
            for name, content in before.items():  # appended to: TensorBoard reads on where it was
                assert name.endswith(".cursor") or results.files()[name].startswith(content)
    results.refresh()
    grown = results.files()
    for file in results.run.iterdir():
        file.unlink()
    results.refresh()
    assert results.files() == grown


def test_another_pass_writes_nothing(results):
    results.train()
    results.refresh()
    for file in results.run.iterdir():
        os.utime(file, (1, 1))
    results.refresh()
    assert {file.stat().st_mtime for file in results.run.iterdir()} == {1}


def test_what_a_killed_pass_appended_is_written_once(results):
    with results.journal() as journal:
        journal.metrics({"loss/G": 0.5}, 320)
        results.refresh()
        (file,) = results.run.glob("events.out.*")
        with open(file, "ab") as stream:
            stream.write(b"\x20\0\0\0half a record")
        journal.metrics({"loss/G": 0.25}, 640)
        results.refresh()
    assert results.curves() == {"loss/G": [(320, 0.5), (640, 0.25)]}


def test_a_shortened_file_is_made_again(results):
    results.train()
    results.refresh()
    whole = results.files()
    (file,) = results.run.glob("events.out.*")
    os.truncate(file, 40)
    results.refresh()
    assert results.files() == whole


def test_a_training_begun_anew_replaces_what_was_shown(results):
    results.train()
    with results.journal("evaluate") as journal:
        journal.final({"fid": 31.5})
    results.refresh()
    with results.journal() as journal:
        journal.metrics({"loss/G": 2.0}, 320)
    results.refresh()
    assert results.curves() == {"loss/G": [(320, 2.0)]}
    assert len(results.files()) == 2  # the events and how far they go


def test_a_lost_picture_or_a_broken_event_holds_up_nothing(results):
    with results.journal() as journal:
        journal.image("samples", results.picture(10), 320)
        journal.metrics({"loss/G": 0.5}, 320)
    for file in (results.root / "journal" / "train" / "images").iterdir():
        file.unlink()
    with open(results.root / "journal" / "train" / EVENTS, "a") as journal:
        journal.write('{"t":"metrics","ts":1}\n{"t":"metrics","ts":1,"images":640,"d":{"loss/G":0.25}}\n')
    results.refresh()
    assert results.curves() == {"loss/G": [(320, 0.5), (640, 0.25)]}


def test_trouble_is_said_once_and_never_raised(results, capsys):
    results.train()
    (results.root / "tensorboard").mkdir()
    (results.root / "tensorboard" / "steel").write_text("in the way")
    results.view.refresh()
    results.view.refresh()
    assert capsys.readouterr().out.count("tensorboard: will try again") == 1
    (results.root / "tensorboard" / "steel").unlink()
    results.refresh()
    assert results.curves()["loss/D"] == [(320, 1.25)]


def test_it_is_written_where_mlflow_does_not_answer(results, capsys):
    results.train()
    assert once("http://127.0.0.1:9", results.root, view=results.view) == 1
    assert results.curves()["loss/D"] == [(320, 1.25)]
    assert "nothing is lost" in capsys.readouterr().out


def test_the_follower_writes_while_the_pipeline_runs_and_at_its_end(results):
    results.train()
    command = [sys.executable, "-m", "pipeline.tracking.sync", "follow", "http://127.0.0.1:9", str(results.root)]
    subprocess.run([*command, "--parent", str(2**22 + 1), "--tensorboard"], check=False, timeout=60)
    assert results.curves()["loss/D"] == [(320, 1.25)]


def test_neither_torch_nor_tensorflow_is_imported(results):
    results.train()
    code = (
        "import sys, pathlib; from pipeline.tracking.tensorboard import View; "
        f"View(pathlib.Path({str(results.root)!r})).refresh(); "
        "sys.exit('torch' in sys.modules or 'tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert results.curves()["loss/D"] == [(320, 1.25)]


def test_a_missing_package_is_named_with_the_setting(monkeypatch):
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"tracking\.tensorboard: .*pyrite\[tensorboard\]"):
        tensorboard.check()
