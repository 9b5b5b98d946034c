"""The near-duplicates that are found in a set of images, beside the groups that its tables give.

    python -m benchmarks.near_duplicates --images data/neu/IMAGES --tables data/neu/splits/train.csv \
        data/neu/splits/val.csv --sheet unknown.png

Tables have the columns file, class, group. `unknown.png` shows pairs that no given group holds, those of the lowest
height first, the second also laid upon the first: look whether it is one scene.
"""

from __future__ import annotations

import argparse
import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.data.near_duplicates import correlate, groups, search
from pipeline.data.near_duplicates.search import Pair
from pipeline.data.preparing import splits
from pipeline.settings import Split

SHOWN = 48
ACROSS = 3  # pairs in a row of the sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--tables", type=Path, nargs="+", required=True)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    table = pd.concat([pd.read_csv(path) for path in given.tables], ignore_index=True)
    images = np.stack([np.asarray(Image.open(given.images / file).convert("L")) for file in table["file"]])
    start, work = time.perf_counter(), time.process_time()
    looked = [search.traits(image, correlate.factor(images.shape[1:], correlate.DETAIL)) for image in images]
    half = time.perf_counter()
    found = search.find(looked, given.threads)
    pairs = found.pairs
    print(f"{len(images)} images, {given.threads} thread(s): looking {half - start:.1f} s, ", end="")
    print(
        f"search {time.perf_counter() - half:.1f} s, together {time.process_time() - work:.1f} s of processor time; ",
        end="",
    )
    print(f"{found.correlated} pairs at all shifts, {found.looked_at} laid upon one another")
    report(table, pairs)
    if given.sheet:
        rows = [pair for pair in pairs if table["group"][pair.first] != table["group"][pair.second]]
        sheet(images, table["file"].tolist(), rows).save(given.sheet)


def report(table: pd.DataFrame, pairs: list[Pair]) -> None:
    links = [(pair.first, pair.second) for pair in pairs]
    own, given = (np.array(names) for names in (groups.joined(table["file"].tolist(), links), table["group"]))
    known = sum(given[i] == given[j] for i, j in links)
    far = sum(_moved(p) > 110 for p in pairs if given[p.first] != given[p.second])
    print(f"{len(pairs)} pairs, {len({i for link in links for i in link})} images, {len(set(own))} groups")
    turned = sum(pair.placement.mirrored or abs(pair.placement.a - 1) > 0.2 for pair in pairs)
    print(f"flipped, turned or zoomed: {turned}")
    print("heights:", np.histogram([pair.height for pair in pairs], [9, 10, 11, 12, 14, 16, 20, 30, 99])[0].tolist())
    print(f"in a given group {known}, not {len(pairs) - known}, of those shifted by more than 110 pixels {far}")
    half = np.array([zlib.crc32(name.encode()) % 2 for name in given])
    for name, rows in (("all", half >= 0), ("half of the groups", half == 0), ("other half", half == 1)):
        one, other = np.triu_indices(int(rows.sum()), 1)
        truth = given[rows][one] == given[rows][other]
        ours = own[rows][one] == own[rows][other]
        print(f"given groups, {name}: {truth.sum()} pairs of images in one group, {(truth & ours).sum()} joined here")
    print("given groups not joined:", [g for g in sorted(set(given)) if len(set(own[given == g])) > 1])
    labels = table["class"].tolist()
    drawn = splits.assign(labels, own.tolist(), [None] * len(own), Split(val=0.0))
    print(f"leak of the split drawn here {groups.leaked(drawn, links):.1%}, ", end="")
    print(f"of random ones of the same sizes {groups.leaked_at_random(drawn, labels, links):.1%}")
    if "split" in table:
        sides = ["train" if side == "train" else "test" for side in table["split"]]
        print(f"leak of the given split {groups.leaked(sides, links):.1%}, ", end="")
        print(f"of random ones of the same sizes {groups.leaked_at_random(sides, labels, links):.1%}; ", end="")
        print(f"{sum(sides[i] != sides[j] for i, j in links)} pairs cross it")


def _moved(pair: Pair) -> float:
    """Pixels between the middles of two images of 200 pixels."""
    return abs(pair.placement(np.array([99.5 + 99.5j]))[0] - (99.5 + 99.5j))


def sheet(images: NDArray[np.uint8], files: list[str], pairs: list[Pair]) -> Image.Image:
    """Half of those shown have the lowest height, the others are spread over the rest."""
    pairs = sorted(pairs, key=lambda pair: pair.height)
    rest = pairs[SHOWN // 2 :]
    pairs = pairs[: SHOWN // 2] + rest[:: max(1, -(-len(rest) // (SHOWN // 2)))]
    height, width = images.shape[1:]
    page = Image.new("RGB", (ACROSS * (3 * width + 20), -(-len(pairs) // ACROSS) * (height + 25)), "white")
    draw = ImageDraw.Draw(page)
    for i, pair in enumerate(pairs):
        top, left = i // ACROSS * (height + 25), i % ACROSS * (3 * width + 20)
        laid = pair.placement.laid(images[pair.second], images.shape[1:])[0].astype(np.uint8)
        for at, image in enumerate((images[pair.first], laid, images[pair.second])):
            page.paste(Image.fromarray(image), (left + at * (width + 4), top))
        text = f"{files[pair.first]} {files[pair.second]} {pair.height:.1f} {pair.windows} {pair.agreeing:.2f}"
        draw.text((left, top + height + 2), text, fill="black")
    return page


if __name__ == "__main__":
    main()
