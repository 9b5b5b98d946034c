"""StyleGAN2-ADA on this machine's CPU beside the floor of its arithmetic and, where it is at hand, the official code.

    .venv/bin/python -m benchmarks.stylegan_speed
    .venv/bin/python -m benchmarks.stylegan_speed --sizes 64 --official ../stylegan2-ada-pytorch --out docs/results/…

Gray images, six classes, channel base 4 096, augmentation at p = 0.2. An update is timed without penalties, with the
path length and with both, and weighted as a training meets them; images a second are of the CPU time of one thread.
Each side is a process of its own, they take turns, and each part counts by the least of its times: other work on the
machine only ever adds to them. The official code (NVIDIA's stylegan2-ada-pytorch, of a licence that allows no
commercial use) is measured in its folder, with the reference operations it has for CPUs, in float32.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.throughput import cpu
from pipeline.base.device import amp_dtype
from pipeline.models import build
from pipeline.models.batch import Batch
from pipeline.models.layers import EqualisedConv
from pipeline.models.stylegan2_generator import ScaledConv
from pipeline.settings import ImageSpec, StyleGAN2ADASettings

BATCH = {32: 16, 64: 8, 128: 4}
CHANNEL_BASE = 4096
CLASSES = 6
P = 0.2  # augmentation probability, kept there
R1_EVERY, PATH_EVERY = 16, 4
# Updates of each kind in a cycle of 16, and the number of one of the kind.
# The first one warms up, and weighs least.
KINDS = {"both": (1, 0), "path": (3, 4), "plain": (12, 1)}
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}


class Side(ABC):
    """What is timed: an update of each kind, and drawing."""

    batch: int

    @abstractmethod
    def update(self, number: int) -> None:
        """Update `number` of a training: R1 is due every 16th, the path length every 4th."""

    @abstractmethod
    def draw(self) -> None:
        """A batch of images of the averaged weights."""


class Ours(Side):
    def __init__(self, size: int, amp: torch.dtype | None):
        self.batch = BATCH[size]
        torch.manual_seed(0)
        settings = StyleGAN2ADASettings(
            family="stylegan2_ada",
            batch=self.batch,
            channel_base=CHANNEL_BASE,
            ada_images=1e12,  # p stays where it is
        )
        spec = ImageSpec(size, size, 1, tuple("abcdef"))
        self.model = build(settings, spec, amp).to(memory_format=torch.channels_last)
        self.model.augmentation.p.fill_(P)
        self.images = (torch.rand(self.batch, 1, size, size) * 2 - 1).contiguous(memory_format=torch.channels_last)
        self.labels = torch.arange(self.batch) % CLASSES

    def update(self, number: int) -> None:
        self.model.updates = number
        self.model.update(Batch(self.images, self.labels, number))

    def draw(self) -> None:
        self.model.sample(self.labels, torch.arange(self.batch))


class Official(Side):
    """The official networks and loss, trained as its loop trains them."""

    def __init__(self, folder: Path, size: int):
        sys.path.insert(0, str(folder))
        from torch_utils.ops import grid_sample_gradfix
        from training import augment, loss, networks

        grid_sample_gradfix.enabled = False
        self.batch = BATCH[size]
        torch.manual_seed(0)
        widths = {"channel_base": CHANNEL_BASE, "channel_max": 512}
        self.g = networks.Generator(512, CLASSES, 512, size, 1, {"num_layers": 2}, widths)
        self.d = networks.Discriminator(CLASSES, size, 1, mapping_kwargs={"num_layers": 2}, **widths)
        self.average = networks.Generator(512, CLASSES, 512, size, 1, {"num_layers": 2}, widths).eval()
        self.average.requires_grad_(False)
        geometry = dict.fromkeys(["xflip", "rotate90", "xint", "scale", "rotate", "aniso", "xfrac"], 1)
        colour = dict.fromkeys(["brightness", "contrast", "lumaflip", "hue", "saturation"], 1)
        pipe = augment.AugmentPipe(**geometry, **colour)
        pipe.p.copy_(torch.tensor(P))
        self.loss = loss.StyleGAN2Loss("cpu", self.g.mapping, self.g.synthesis, self.d, pipe, r1_gamma=0.1)
        self.optimizers = {
            name: torch.optim.Adam(net.parameters(), 0.0025, (0.0, 0.99))
            for name, net in (("G", self.g), ("D", self.d))
        }
        self.images = torch.rand(self.batch, 1, size, size) * 2 - 1
        self.labels = F.one_hot(torch.arange(self.batch) % CLASSES, CLASSES).float()

    def update(self, number: int) -> None:
        phases = [("G", "Gmain", 1), ("G", "Greg", PATH_EVERY), ("D", "Dmain", 1), ("D", "Dreg", R1_EVERY)]
        for name, phase, every in phases:
            if number % every == 0:
                self._phase(name, phase, every)
        with torch.no_grad():
            for target, source in zip(self.average.parameters(), self.g.parameters(), strict=True):
                target.copy_(source.lerp(target, 0.998))

    def _phase(self, name: str, phase: str, gain: float) -> None:
        net = {"G": self.g, "D": self.d}[name]
        self.optimizers[name].zero_grad(set_to_none=True)
        net.requires_grad_(True)
        z = torch.randn(self.batch, 512)
        self.loss.accumulate_gradients(phase, self.images, self.labels, z, self.labels, True, gain)
        net.requires_grad_(False)
        for parameter in net.parameters():
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(nan=0, posinf=1e5, neginf=-1e5)
        self.optimizers[name].step()

    @torch.no_grad()
    def draw(self) -> None:
        self.average(torch.randn(self.batch, 512), self.labels, noise_mode="const")


# ---------------------------------------------------------------- the floor


def shapes(model: torch.nn.Module) -> dict[str, list[tuple[int, int, int]]]:
    """(inputs, outputs, side) of every 3x3 convolution of G and D; the smaller side where it doubles or halves."""
    found: dict[str, list[tuple[int, int, int]]] = {"G": [], "D": []}

    def look(net: str):
        def hook(module: torch.nn.Module, arguments: tuple, result: torch.Tensor) -> None:
            outputs, inputs, kernel = module.weight.shape[:3]
            if kernel == 3:
                found[net].append((inputs, outputs, min(arguments[0].shape[2], result.shape[2])))

        return hook

    for net, part in (("G", model.generator), ("D", model.discriminator)):
        handles = [
            m.register_forward_hook(look(net)) for m in part.modules() if isinstance(m, EqualisedConv | ScaledConv)
        ]
        with torch.no_grad():
            if net == "G":
                part(
                    torch.randn(1, 512), torch.zeros(1, dtype=torch.int64), torch.randn(1, part.synthesis.noise_length)
                )
            else:
                part(torch.randn(1, 1, model.spec.height, model.spec.width), torch.zeros(1, dtype=torch.int64))
        for handle in handles:
            handle.remove()
    return found


# Passes over all of a batch: forward, gradient of the input, gradient of the weight. A penalty makes two of each, on
# half a batch for the path length. D: real, fake, and the generator's step; G: in both steps.
PENALTY = {"D": 1 / R1_EVERY, "G": 1 / 2 / PATH_EVERY}
PASSES = {"D": (3, 3, 2), "G": (2, 1, 1)}


class Floor:
    """The 3x3 convolutions of an update as plain ones of as many multiplications, and nothing between them."""

    def __init__(self, size: int, amp: torch.dtype | None):
        self.batch, self.dtype = BATCH[size], amp or torch.float32
        self.shapes = shapes(Ours(size, None).model)

    def gflop(self) -> float:
        """10^9 multiplications and additions of an update."""
        passes = {net: sum(counts) + 6 * PENALTY[net] for net, counts in PASSES.items()}
        return (
            sum(
                passes[net] * 18 * i * o * side**2 * self.batch
                for net, layers in self.shapes.items()
                for i, o, side in layers
            )
            / 1e9
        )

    def seconds(self) -> float:
        """CPU time of an update."""
        return sum(
            (count + 2 * PENALTY[net]) * spent
            for net, layers in self.shapes.items()
            for layer in layers
            for count, spent in zip(PASSES[net], self._passes(*layer), strict=True)
        )

    def _passes(self, inputs: int, outputs: int, side: int) -> tuple[float, float, float]:
        def tensor(*shape: int) -> torch.Tensor:
            return torch.randn(shape).to(self.dtype, memory_format=torch.channels_last)

        x, weight, slope = tensor(self.batch, inputs, side, side), tensor(outputs, inputs, 3, 3), None
        slope = tensor(self.batch, outputs, side, side)

        def back(*wanted: bool) -> Callable[[], object]:
            geometry = ([0], [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
            return lambda: torch.ops.aten.convolution_backward(slope, x, weight, *geometry, [*wanted, False])

        works = (lambda: F.conv2d(x, weight, padding=1), back(True, False), back(False, True))
        return tuple(min(spent(work) for _ in range(3)) for work in works)


# ---------------------------------------------------------------- what is measured


def spent(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def parts(side: Side) -> list[float]:
    """CPU seconds of an update of each kind, and of drawing a batch."""
    return [*(spent(lambda number=number: side.update(number)) for _, number in KINDS.values()), spent(side.draw)]


def least(works: dict[str, Callable[[], list[float]]], rounds: int) -> dict[str, list[float]]:
    """Of each part of what the works say, the least of the rounds; the works take turns."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, work in works.items():
            taken = work()
            found[name] = [min(pair) for pair in zip(found.get(name, taken), taken, strict=True)]
    return found


class Process:
    """A process that measures one side whenever it is asked to."""

    def __init__(self, name: str, size: int, official: Path | None):
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.stylegan_speed", "--sizes", str(size)]
        command += ["--measure", name, *(["--official", str(official)] if official else [])]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self) -> list[float]:
        """CPU seconds of each of the side's `parts`; then, where it is ours, of the floor of an update."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print("again", file=self.process.stdin, flush=True)
        return [float(word) for word in self.process.stdout.readline().split()]

    def end(self) -> int:
        """Peak MiB of its memory."""
        return int(self.process.communicate()[0])


def serve(name: str, size: int, official: Path) -> None:
    """What such a process does: numbers for each line that comes, and at the end its peak memory."""
    side = Official(official, size) if name == "official" else Ours(size, PRECISIONS[name])
    floor = None if name == "official" else Floor(size, PRECISIONS[name])
    for _ in sys.stdin:
        print(*parts(side), *([floor.seconds()] if floor else []), flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def measured(size: int, official: Path | None, precisions: list[str], rounds: int) -> list[str]:
    """Rows of training, drawing and memory."""
    sides = [*precisions, *(["official"] if official else [])]
    processes = {name: Process(name, size, official) for name in sides}
    taken = least({name: process.ask for name, process in processes.items()}, rounds)
    memory = {name: process.end() for name, process in processes.items()}
    updates = {name: of_an_update(taken[name]) for name in sides}
    lines = []
    for what, of in (("training", updates), ("drawing", {name: taken[name][len(KINDS)] for name in sides})):
        rates = {name: BATCH[size] / seconds for name, seconds in of.items()}
        for name in sides:
            floors = f"{updates[name] / taken[name][-1]:.2f}" if what == "training" and name != "official" else ""
            lines.append(row([what, str(size), name, f"{rates[name]:.3g}", ratio(rates, name), floors]))
    return lines + [row(["peak memory, MiB", str(size), name, str(memory[name]), "", ""]) for name in sides]


def of_an_update(taken: list[float]) -> float:
    """CPU seconds of an update, from those of each kind."""
    counts = [count for count, _ in KINDS.values()]
    return sum(count * seconds for count, seconds in zip(counts, taken, strict=False)) / sum(counts)


def ratio(found: dict[str, float], name: str) -> str:
    return f"{found[name] / found['official']:.2f}" if "official" in found and name != "official" else ""


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128], choices=list(BATCH))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--official", type=Path, help="folder of the official code")
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file as well")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    wish = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of what theirs calls
    if wish.measure:
        serve(wish.measure, wish.sizes[0], wish.official or Path())
        return
    precisions = ["fp32", "bf16"] if amp_dtype("auto", torch.device("cpu")) else ["fp32"]
    lines = [
        f"`python -m benchmarks.stylegan_speed {' '.join(sys.argv[1:])}`, torch {torch.__version__}, {cpu()}, "
        f"1 thread. Load of the machine: {os.getloadavg()[0]:.0f}.",
        "",
        "| what | pixels | side | images a second of CPU | of the official code | floors |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    print("\n".join(lines), flush=True)
    for size in wish.sizes:
        rows = measured(size, wish.official, precisions, wish.rounds)
        lines += rows
        print("\n".join(rows), flush=True)
    if wish.out:
        wish.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
