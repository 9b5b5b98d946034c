"""Weights of networks trained elsewhere: fetched once into a cache that can be filled by hand, verified by checksum.

Nothing here runs by default: `evaluate.inception: on`, `evaluate.lpips: on`, a file that a user put into the cache, or
a model's `texture` asks for it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pipeline.base.files import sha256
from pipeline.base.job import progress, say
from pipeline.settings import UserError

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 4  # connections; each goes on where the one before broke off
PAUSE = 5.0  # seconds between them
CHUNK = 1 << 20


class Weights(NamedTuple):
    """A file of weights, and what a message about it names."""

    file: str
    url: str
    sha256: str
    size: int
    setting: str  # names the folder it is in
    otherwise: str  # what a user who lacks it can do, beside putting it there


WEIGHTS = {
    # The TorchScript form of Inception-2015-12-05 that clean-fid loads; the address is clean-fid's own
    # (`cleanfid.downloads_helper`). NVIDIA publishes no checksum: this one is pinned by k-diffusion
    # (k_diffusion/evaluation.py), and the size and the same checksum by other projects that fetched the file since.
    "inception": Weights(
        file="inception-2015-12-05.pt",
        url="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
        sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
        size=95_607_719,
        setting="evaluate.weights",
        otherwise="set evaluate.inception: on",
    ),
    # torchvision's VGG19_Weights.IMAGENET1K_V1. Its name gives the first 8 digits of the checksum; the whole of it, and
    # the size, are given alike by several projects that pin the file.
    "vgg19": Weights(
        file="vgg19-dcbb9e9d.pth",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        size=574_673_361,
        setting="texture.weights",
        otherwise="leave out the model's texture",
    ),
    # torchvision's AlexNet_Weights.IMAGENET1K_V1. Its name gives the first 8 digits of the checksum; the whole of it,
    # and the size, are given alike by several projects that pin the file.
    "alexnet": Weights(
        file="alexnet-owt-7be5be79.pth",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        size=244_408_911,
        setting="evaluate.weights",
        otherwise="set evaluate.lpips: on",
    ),
    # The weights of LPIPS 0.1 for AlexNet by its authors (BSD-2), unchanged since this commit of theirs; torchmetrics
    # ships the same bytes.
    "lpips": Weights(
        file="lpips-0.1-alex.pth",
        url="https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/"
        "c33f89e9f46522a584cf41d8880eb0afa982708b/lpips/weights/v0.1/alex.pth",
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        size=6_009,
        setting="evaluate.weights",
        otherwise="set evaluate.lpips: on",
    ),
}


def place(name: str, cache: str | os.PathLike) -> Path:
    """Where the file is, or would be; absolute."""
    return (Path(cache).expanduser() / WEIGHTS[name].file).absolute()


def in_cache(name: str, cache: str | os.PathLike) -> bool:
    """Whether the file is there; cheap, so that a plan can ask. `verified` reads it."""
    return place(name, cache).is_file()


def verified(name: str, cache: str | os.PathLike) -> Path:
    """The file's path, once its checksum is right.

    Raises:
        UserError: the file is missing, or is not the one that is meant.
    """
    path, weights = place(name, cache), WEIGHTS[name]
    if not path.is_file():
        raise UserError(f"{weights.setting}: {path} is missing; put {weights.url} there, or {weights.otherwise}")
    digest = sha256(path)
    if digest != weights.sha256:
        raise UserError(
            f"{weights.setting}: {path} is altered or damaged, its SHA-256 is {digest}, not {weights.sha256}; "
            "delete it, or replace it by the original"
        )
    return path


def fetch(name: str, cache: str | os.PathLike) -> Path:
    """The verified file, downloaded if it is not in the cache; a broken download goes on where it stopped.

    The file takes its name only when it is whole and its checksum is right.

    Args:
        name: key of `WEIGHTS`.
        cache: folder, made if missing; `~` is the home folder.

    Raises:
        UserError: the server cannot be reached or sends something else, the disk is full, or the file that is in the
            cache is altered.
    """
    path, weights = place(name, cache), WEIGHTS[name]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path.with_name(f"{path.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another job may be fetching it
            if not path.is_file():
                _download(weights, path)
    except OSError as error:
        raise UserError(f"{weights.setting}: {path.parent}: {error.strerror or error}") from error
    return verified(name, cache)


def _download(weights: Weights, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    say(f"fetching {weights.url} ({weights.size / 1e6:.0f} MB) into {path.parent}")
    if shutil.disk_usage(path.parent).free < 2 * weights.size:
        raise UserError(f"{weights.setting}: {path.parent} has less than {2 * weights.size / 1e6:.0f} MB free")
    if part.exists() and part.stat().st_size > weights.size:
        part.unlink()
    done = part.stat().st_size if part.exists() else 0
    with progress(weights.file, weights.size, unit="B", initial=done) as bar:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _receive(weights, part, bar)
                break
            except (HTTPException, TimeoutError, OSError) as error:
                permanent = isinstance(error, HTTPError) and 400 <= error.code < 500
                if permanent or attempt == ATTEMPTS:
                    raise UserError(
                        f"{weights.setting}: {weights.url}: {error}; "
                        f"run again to go on, or put the file into {path.parent} by hand"
                    ) from error
                time.sleep(PAUSE)
    digest = sha256(part)
    if digest != weights.sha256:
        part.unlink()
        raise UserError(
            f"{weights.setting}: {weights.url} sent a file with SHA-256 {digest}, not {weights.sha256}; it is deleted"
        )
    os.replace(part, path)


def _receive(weights: Weights, part: Path, bar) -> None:
    """Append what is missing to `part`; start over where the server cannot go on from the middle."""
    done = part.stat().st_size if part.exists() else 0
    if done == weights.size:
        return
    request = Request(weights.url, headers={"Range": f"bytes={done}-"} if done else {})
    with urlopen(request, timeout=TIMEOUT) as response:
        resumed = response.status == 206
        bar.update((done if resumed else 0) - bar.n)
        with open(part, "ab" if resumed else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > weights.size:
                    file.truncate(0)
                    raise OSError(f"sent more than the {weights.size} bytes expected")
    if part.stat().st_size < weights.size:
        raise OSError(f"the connection broke off after {part.stat().st_size} of {weights.size} bytes")
