"""What an earlier search found is read, and only where it is the same search."""

import numpy as np
import pytest

from pipeline.data.near_duplicates import report, search
from pipeline.data.near_duplicates.pair_cache import remembered
from pipeline.data.near_duplicates.placement import Placement
from pipeline.data.preparing.prepare import prepare


@pytest.fixture
def searches(monkeypatch):
    """The number of images of each search that is really done."""
    done, find = [], search.find

    def counted(images, *rest):
        done.append(len(images))
        return find(images, *rest)

    monkeypatch.setattr(report.search, "find", counted)
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
    spots = search.Spots(np.zeros((2, 4), np.float32), np.ones((2, 78), np.int8))
    images = [search.Traits(np.full((4, 5), i, np.int8), spots, 2) for i in range(3)]
    one = search.Found([search.Pair(0, 2, Placement(1 + 0.5j, 3j, True), 7, 0.9, 12.5)], 3, 1)
    searched = []

    def found(of):
        return remembered(tmp_path, of, lambda: searched.append(1) or one)

    assert found(images) == found(images) == one
    assert found([images[0], images[2], images[1]]) == found(images[:2]) == one
    assert found([image._replace(scale=1) for image in images]) == one
    assert found([image._replace(spots=search.Spots.none()) for image in images]) == one
    assert len(searched) == 5
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5
    for content in (b"", b"[[1, 2]]", b"\xff", b"{}x"):
        for file in files:
            file.write_bytes(content)
        assert found(images) == found(images) == one
    assert len(searched) == 9
