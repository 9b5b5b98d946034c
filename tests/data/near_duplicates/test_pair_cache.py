"""What an earlier search found is read, and only where it is the same search."""

import numpy as np
import pytest

from pipeline.data.near_duplicates import correlate, report
from pipeline.data.near_duplicates.pair_cache import remembered
from pipeline.data.preparing.prepare import prepare


@pytest.fixture
def searches(monkeypatch):
    """The number of images of each search that is really done."""
    done, find = [], correlate.find

    def counted(images, *rest):
        done.append(len(images))
        return find(images, *rest)

    monkeypatch.setattr(report.correlate, "find", counted)
    return done


def test_few_shot_sets_of_one_source_are_searched_once(tmp_path, inline, crops, dataset, searches):
    root, earlier = crops(), tmp_path / "earlier"
    prepare(dataset(root, shots=2), tmp_path / "alone")
    prepare(dataset(root, shots=2), tmp_path / "first", earlier=earlier)
    assert searches == [48, 48]
    prepare(dataset(root, shots=2), tmp_path / "again", earlier=earlier)
    prepare(dataset(root, shots=3), tmp_path / "more", earlier=earlier)
    prepare(dataset(root, size=32), tmp_path / "larger", earlier=earlier)
    assert searches == [48, 48], "neither shots nor the size of a training image change what is compared"
    for name in ("images.npy", "metadata.csv", "meta.json", "near_duplicates.csv"):
        alone = (tmp_path / "alone" / name).read_bytes()
        assert alone == (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_other_images_or_a_damaged_file_are_searched(tmp_path):
    """Of two files the one of these images is read; what it holds instead of pairs is replaced."""
    images, pairs = np.zeros((3, 4, 4), np.int8), [correlate.Pair(*range(len(correlate.Pair._fields)))]
    searched = []

    def found(of):
        return remembered(tmp_path, of, lambda: searched.append(1) or pairs)

    assert found(images) == found(images) == pairs
    assert found(images + 1) == found(images[:2]) == pairs
    assert len(searched) == 3
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    for content in (b"", b"[[1, 2]]", b"\xff", b"{}x"):
        for file in files:
            file.write_bytes(content)
        assert found(images) == found(images) == pairs
    assert len(searched) == 7
