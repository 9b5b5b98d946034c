"""Training and sampling speed beside the PyPI packages stylegan2_pytorch and denoising_diffusion_pytorch.

    make bench
    .bench/bin/python -m benchmarks.peers --threads 2 --out docs/results/peers_cpu.md

Same machine, same torch, same process, RGB, batches from memory, CPU, float32. Each package trains through its own
`Trainer.train`, this one through `GenerativeModel.update`; the two take turns, and the figures are medians. Our widths
are the smallest at which an image costs no less arithmetic than theirs in a pass forward, network by network. A ratio
is ours over theirs in images a second: above 1 this package is faster; below 1 is a bug, and the exit status says so.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import tempfile
import time
import types
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.throughput import cpu
from pipeline.base.device import use_threads
from pipeline.models import build
from pipeline.models.batch import Batch
from pipeline.settings import DDPMSettings, ImageSpec, StyleGAN2ADASettings, Training

CHANNELS = 3  # theirs has no gray images
POOL = 128  # images that batches are drawn from
STEPS = 1000  # of the ancestral sampler
COLUMNS = ["what", "pixels", "batch", "GFLOP an image, forward", "parameters, M", "images/s", "ratio"]


def batches(size: int, batch: int) -> Iterator[Tensor]:
    """(batch, 3, size, size) in [0, 1], each a tensor of its own."""
    pool = torch.rand(POOL, CHANNELS, size, size, generator=torch.Generator().manual_seed(0))
    while True:
        yield pool[torch.randint(POOL, (batch,))]


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def gflop(call: Callable[[int], object]) -> float:
    """10^9 multiplications and additions (2 a product) that `call(n)` spends on each of n images."""
    with FlopCounterMode(display=False) as counter:
        call(2)
    return counter.get_total_flops() / 2e9


def least(cost: Callable[[int], float], target: float, low: int, high: int) -> int:
    """The smallest integer in (low, high] whose `cost`, which rises with it, reaches the target."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cost(middle) >= target else (middle, high)
    return high


# ---------------------------------------------------------------- the programs


class Side(ABC):
    """A program in a comparison."""

    parameters: dict[str, int]
    """Of each network, by its name."""
    gflop: dict[str, float]
    """Of one pass forward, an image, by network."""

    @abstractmethod
    def train(self, updates: int) -> None:
        """Updates of all networks, with optimisers and averaged weights."""


class Ours(Side):
    def __init__(self, settings: Training, size: int):
        spec = ImageSpec(size, size, CHANNELS, ("a",))
        self.model = build(settings, spec).to(memory_format=torch.channels_last)
        self.images = batches(size, settings.batch)
        self.labels = torch.zeros(settings.batch, dtype=torch.int64)

    def train(self, updates: int) -> None:
        for _ in range(updates):
            rows = next(self.images).mul_(2).sub_(1).contiguous(memory_format=torch.channels_last)
            self.model.update(Batch(rows, self.labels, seed=self.model.updates))


class OurStyleGAN2(Ours):
    """StyleGAN2-ADA, its generator and discriminator as wide as it takes for no less arithmetic than given ones."""

    def __init__(self, size: int, batch: int, own: bool, peer: dict[str, float]):
        terms = {} if own else {"ada_target": 0, "r1_every": 4, "path_length_weight": 0}
        fixed = {"family": "stylegan2_ada", "batch": batch, "precision": "fp32", "mapping_layers": 8}
        spec = ImageSpec(size, size, CHANNELS, ("a",))

        def cost(network: str, base: int) -> float:
            bases = {"channel_base": base, "discriminator_channel_base": base}
            return self.cost(build(StyleGAN2ADASettings(**fixed, **bases, ada_target=0), spec), network)

        bases = {
            name: least(lambda base, network=network: cost(network, base), peer[network], size, 64 * size)
            for name, network in {"channel_base": "G", "discriminator_channel_base": "D"}.items()
        }
        super().__init__(StyleGAN2ADASettings(**fixed, **bases, **terms), size)
        model = self.model
        self.parameters = {
            "S": parameters(model.generator.mapping),
            "G": parameters(model.generator.synthesis),
            "D": parameters(model.discriminator),
        }
        self.gflop = {network: self.cost(model, network) for network in ("G", "D")}

    @staticmethod
    def cost(model: nn.Module, network: str) -> float:
        spec, synthesis = model.spec, model.generator.synthesis

        def forward(n: int) -> None:
            if network == "G":
                noise = synthesis.split_noise(torch.randn(n, synthesis.noise_length))
                synthesis(torch.randn(n, synthesis.layers, 512), noise)
            else:
                images = torch.randn(n, CHANNELS, spec.height, spec.width)
                model.discriminator(images, torch.zeros(n, dtype=torch.int64))

        return gflop(forward)


class OurDDPM(Ours):
    """The defaults, as wide as it takes for no less arithmetic than a given U-Net."""

    def __init__(self, settings: DDPMSettings, size: int, peer: dict[str, float]):
        def cost(quads: int) -> float:
            wide = settings.model_copy(update={"channels": 4 * quads})
            return self.cost(build(wide, ImageSpec(size, size, CHANNELS, ("a",))))

        channels = 4 * least(cost, peer["U-Net"], 2, 64)
        super().__init__(settings.model_copy(update={"channels": channels}), size)
        self.parameters = {"U-Net": parameters(self.model.ema)}
        self.gflop = {"U-Net": self.cost(self.model)}

    @staticmethod
    def cost(model: nn.Module) -> float:
        labels, length = torch.zeros(2, dtype=torch.int64), model.latent_length
        calls = model.settings.sampling_steps
        return gflop(lambda n: model.generate(labels[:n], torch.randn(n, length))) / calls

    def sample(self, count: int) -> None:
        self.model.sample(torch.zeros(count, dtype=torch.int64), torch.arange(count))


class StyleGAN2(Side):
    """stylegan2_pytorch.

    It asserts CUDA when imported and moves everything by `.cuda()`: both are made to do nothing. Its loader of image
    files is replaced by tensors in memory, and it never writes. The count of steps begins where all its terms are at
    work (path length from step 5 000 on, averaged weights from 20 000 on).
    """

    FIRST = 20_064  # a multiple of 4 (gradient penalty) and 32 (path length)

    def __init__(self, size: int, batch: int, own: bool, folder: str):
        module = stylegan2_package()
        self.trainer = module.Trainer(
            base_dir=folder,
            image_size=size,
            network_capacity=8,
            batch_size=batch,
            aug_prob=0.3 if own else 0.0,  # what it chooses for sets of a few hundred images
            no_pl_reg=not own,
            save_every=10**9,
            evaluate_every=10**9,
        )
        self.trainer.loader = batches(size, batch)
        self.trainer.init_GAN()
        self.trainer.steps = self.FIRST
        gan = self.trainer.GAN
        self.parameters = {"S": parameters(gan.S), "G": parameters(gan.G), "D": parameters(gan.D)}
        layers = gan.G.num_layers
        self.gflop = {
            "G": gflop(lambda n: gan.G(torch.randn(n, layers, 512), module.image_noise(n, size, 0))),
            "D": gflop(lambda n: gan.D(torch.randn(n, CHANNELS, size, size))),
        }

    def train(self, updates: int) -> None:
        for _ in range(updates):
            self.trainer.train()


def stylegan2_package() -> types.ModuleType:
    """The package, made to run on a CPU."""
    name = "stylegan2_pytorch.stylegan2_pytorch"
    if name not in sys.modules:
        sys.modules["aim"] = types.ModuleType("aim")  # an experiment tracker, which is off
        with mock.patch("torch.cuda.is_available", return_value=True):
            importlib.import_module(name)
        del sys.modules["aim"]
        for kind in (Tensor, nn.Module):
            kind.cuda = lambda self, *_, **__: self
    return sys.modules[name]


class Diffusion(Side):
    """denoising_diffusion_pytorch, with the multipliers, heads, dropout, schedule, target and loss weights of ours.

    Attention is where ours is; elsewhere it has linear attention, which cannot be left out. Its loader of image files
    is replaced by tensors in memory; weights are averaged after every update, as ours, not after every tenth.
    """

    def __init__(self, settings: DDPMSettings, size: int, folder: str):
        from denoising_diffusion_pytorch import GaussianDiffusion, Trainer, Unet

        unet = Unet(
            32,
            dim_mults=tuple(settings.multipliers),
            full_attn=tuple(size >> i in settings.attention for i in range(len(settings.multipliers))),
            attn_heads=settings.heads,
            dropout=settings.dropout,
        )
        self.diffusion = GaussianDiffusion(
            unet, image_size=size, timesteps=STEPS, beta_schedule="cosine", min_snr_loss_weight=True
        )
        for i in range(100):  # it refuses smaller sets
            Image.new("RGB", (size, size)).save(Path(folder) / f"{i}.png")
        self.trainer = Trainer(
            self.diffusion,
            folder,
            train_batch_size=settings.batch,
            ema_update_every=1,
            save_and_sample_every=10**9,
            calculate_fid=False,
            results_folder=folder,
        )
        self.trainer.dl = batches(size, settings.batch)
        self.trainer.ema.step.fill_(10_000)  # at first the average is a mere copy
        self.parameters = {"U-Net": parameters(unet)}
        self.gflop = {"U-Net": gflop(lambda n: unet(torch.randn(n, CHANNELS, size, size), torch.zeros(n)))}

    def train(self, updates: int) -> None:
        self.trainer.train_num_steps = self.trainer.step + updates
        self.trainer.train()

    @torch.inference_mode()
    def sample(self, count: int, steps: int) -> None:
        """The last `steps` of the ancestral sampler; each costs the same."""
        self.trainer.ema.ema_model.eval()
        x = torch.randn(count, CHANNELS, *self.diffusion.image_size)
        for t in reversed(range(steps)):
            x, _ = self.trainer.ema.ema_model.p_sample(x, t)


# ---------------------------------------------------------------- the comparisons


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):  # their progress bars
        work()
    return time.perf_counter() - start


def duel(theirs: Callable[[], object], ours: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds of both, taking turns."""
    times = [(seconds(theirs), seconds(ours)) for _ in range(repeats)]
    return tuple(map(statistics.median, zip(*times, strict=True)))


def row(what: str, size: int, batch: int, sides: tuple[Side, Side], speeds: tuple[float, float]) -> tuple[str, float]:
    """A line of the table, and ours over theirs."""
    ratio = speeds[1] / speeds[0]
    cells = [what, str(size), str(batch), pairs(*(side.gflop for side in sides))]
    cells += [pairs(*({k: n / 1e6 for k, n in side.parameters.items()} for side in sides))]
    cells += [f"{speeds[0]:.3g} / {speeds[1]:.3g}", f"**{ratio:.2f}**"]
    return "| " + " | ".join(cells) + " |", ratio


def pairs(theirs: dict[str, float], ours: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g} / {ours[name]:.3g}" for name, value in theirs.items())


def stylegan2(size: int, batch: int, own: bool, repeats: int) -> Iterator[tuple[str, float]]:
    """Training with the same terms of the loss, or with those that each has by default."""
    with tempfile.TemporaryDirectory() as folder:
        theirs = StyleGAN2(size, batch, own, folder)
        ours = OurStyleGAN2(size, batch, own, theirs.gflop)
        # Whole cycles of the penalties: 4 updates, or 32 of theirs (path length) and 16 of ours (R1).
        cycles = (32, 16) if own else (4, 4)
        duel(lambda: theirs.train(1), lambda: ours.train(1), 1)
        theirs.trainer.steps, ours.model.updates = theirs.FIRST, 0
        times = duel(lambda: theirs.train(cycles[0]), lambda: ours.train(cycles[1]), repeats)
    speeds = tuple(batch * n / t for n, t in zip(cycles, times, strict=True))
    name = "StyleGAN2, training, each with its own terms" if own else "StyleGAN2, training, the same terms"
    yield row(name, size, batch, (theirs, ours), speeds)


def ddpm(size: int, steps: int, repeats: int) -> Iterator[tuple[str, float]]:
    """Training, and sampling by `steps` of their 1000 steps against our default."""
    settings, drawn = DDPMSettings(family="ddpm", batch=16, precision="fp32"), 4
    with tempfile.TemporaryDirectory() as folder:
        theirs = Diffusion(settings, size, folder)
        ours = OurDDPM(settings, size, theirs.gflop)
        duel(lambda: theirs.train(1), lambda: ours.train(1), 1)
        times = duel(lambda: theirs.train(1), lambda: ours.train(1), repeats)
        yield row("DDPM, training", size, settings.batch, (theirs, ours), tuple(settings.batch / t for t in times))
        duel(lambda: theirs.sample(drawn, 1), lambda: ours.sample(drawn), 1)
        once = steps == STEPS
        times = duel(lambda: theirs.sample(drawn, steps), lambda: ours.sample(drawn), 1 if once else repeats)
    speeds = drawn / (times[0] * STEPS / steps), drawn / times[1]
    name = f"DDPM, sampling, {STEPS} ancestral steps / {settings.sampling_steps} of {settings.sampler}"
    yield row(name if once else f"{name} ({steps} of theirs timed)", size, drawn, (theirs, ours), speeds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["stylegan2", "ddpm"])
    parser.add_argument("--repeats", type=int, default=3, help="times that each side is timed")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file as well")
    wish = parser.parse_args()
    use_threads(wish.threads)
    torch.manual_seed(0)
    lines = [
        f"`python -m benchmarks.peers {' '.join(sys.argv[1:])}`, torch {torch.__version__}, {cpu()}, "
        f"{torch.get_num_threads()} threads, fp32; each pair of numbers is theirs / ours. {busy()}",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "| --- | ---: | ---: | --- | --- | ---: | ---: |",
    ]
    print("\n".join(lines), flush=True)
    ratios = []
    for line, ratio in rows(wish.only, wish.repeats):
        lines.append(line)
        ratios.append(ratio)
        print(line, flush=True)
    if wish.out:
        wish.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(min(ratios) < 1)


def busy() -> str:
    """How far other work on this machine may have spoilt the figures."""
    load = os.getloadavg()[0]
    spoilt = "; other work was going on, so these figures say little" if load > 0.5 else ""
    return f"Load of the machine before: {load:.1f}{spoilt}."


def rows(only: str | None, repeats: int) -> Iterator[tuple[str, float]]:
    if only != "ddpm":
        yield from stylegan2(32, 16, False, repeats)
        yield from stylegan2(64, 8, False, repeats)
        yield from stylegan2(32, 8, True, min(2, repeats))
    if only != "stylegan2":
        yield from ddpm(32, STEPS, repeats)
        yield from ddpm(64, 50, repeats)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of what theirs calls
    sys.exit(main())
