"""What a frozen network sees in the patches of images: a vector for each cell of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.base import imagenet
from pipeline.base.pixels import normalised, stored
from pipeline.downstream.schedule import orientations, turned

FINE, COARSE = 8, 16  # strides of the maps; a cell of the grid is one of the finer
SIZE = imagenet.CHANNELS[FINE] + imagenet.CHANNELS[COARSE]  # numbers of a patch
NEIGHBOURS = 3  # cells on a side that a cell's vector is the mean of (Roth et al. 2022, section 3.1)


@dataclass(frozen=True)
class Looks:
    """Images, each in v views, and how much of each patch is known to be defect."""

    patches: NDArray[np.float32]
    """(n, v, P, Q, SIZE)."""
    cover: NDArray[np.float32]
    """(n, v, P, Q) share of a patch's pixels that the mask covers, in [0, 1]; NaN all over an image whose mask is not
    known."""

    def __len__(self) -> int:
        return len(self.patches)

    def at(self, rows: NDArray[np.int64]) -> Looks:
        """Of the images at positions (k,)."""
        return Looks(self.patches[rows], self.cover[rows])


def joined(parts: Sequence[Looks]) -> Looks:
    """Images of several sets, one after the other; one set at least."""
    return Looks(np.concatenate([of.patches for of in parts]), np.concatenate([of.cover for of in parts]))


def grid(network: imagenet.EfficientNetLite0, images: NDArray, batch: int, device: torch.device) -> NDArray[np.float32]:
    """(n, P, Q, SIZE) patches of images (n, H, W, C) of unsigned integers; each depends on its image alone.

    P = ceil(H / 8); images whose shorter side is below 64 pixels are enlarged to that before. The maps of stride 8 and
    16 are averaged over NEIGHBOURS cells; the coarser is interpolated to the finer.
    """
    size = [round(side * max(1, imagenet.SMALLEST / min(images.shape[1:3]))) for side in images.shape[1:3]]
    rows = max(1, min(batch, imagenet.PIXELS_A_BATCH // (size[0] * size[1])))
    shape = (*(-(-side // FINE) for side in size), SIZE)
    found = np.empty((len(images), *shape), np.float32)
    with torch.inference_mode():
        for start in range(0, len(images), rows):
            part = normalised(stored(images[start : start + rows]).to(device))
            maps = network.maps(F.interpolate(part, size, mode="bilinear"))
            fine, coarse = (_averaged(maps[stride]) for stride in (FINE, COARSE))
            coarse = F.interpolate(coarse, fine.shape[2:], mode="bilinear")
            found[start : start + rows] = torch.cat([fine, coarse], 1).permute(0, 2, 3, 1).float().cpu().numpy()
    return found


def covered(masks: NDArray[np.bool_], cells: tuple[int, int]) -> NDArray[np.float32]:
    """(n, P, Q) shares of the cells that masks (n, H, W) cover."""
    return F.adaptive_avg_pool2d(torch.from_numpy(masks.astype(np.float32))[:, None], cells)[:, 0].numpy()


def looked(
    network: imagenet.EfficientNetLite0,
    images: NDArray,
    masks: NDArray[np.bool_],
    known: NDArray[np.bool_],
    symmetry: str,
    batch: int,
    device: torch.device,
) -> Looks:
    """Images in every orientation that their symmetry allows.

    Args:
        images: (n, H, W, C) unsigned integers.
        masks: (n, H, W), where the defects are.
        known: (n,) whether a mask is known.
    """
    parts, covers = [], []
    for view in orientations(symmetry):
        parts.append(grid(network, turned(images, view), batch, device))
        cover = covered(np.ascontiguousarray(turned(masks, view)), parts[-1].shape[1:3])
        covers.append(np.where(known[:, None, None], cover, np.float32(np.nan)))
    return Looks(np.stack(parts, axis=1), np.stack(covers, axis=1))


def highest(scores: NDArray, share: float) -> NDArray:
    """(n,) mean of the highest scores of each row of (n, m), so many that they are this share of m, at least one."""
    count = max(1, round(share * scores.shape[1]))
    return np.partition(scores, -count, axis=1)[:, -count:].mean(axis=1)


def _averaged(maps: Tensor) -> Tensor:
    return F.avg_pool2d(maps, NEIGHBOURS, 1, NEIGHBOURS // 2, count_include_pad=False)
