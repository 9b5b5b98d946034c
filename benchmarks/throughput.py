"""Images a second of every family on this machine's CPU, in training and in sampling.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --config config/neu.yaml --out docs/results/throughput_cpu.md

The models are those of a configuration, by default of the experiment that is made for CPUs. Each number is
the median of timed repetitions after one that is not counted.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml

from pipeline.base.device import amp_dtype, use_threads
from pipeline.models import build
from pipeline.models.batch import Batch
from pipeline.settings import ImageSpec, Training, load
from pipeline.training import model_files

ROOT = Path(__file__).resolve().parents[1]
CPU = torch.device("cpu")
CLASSES = ("a", "b", "c", "d")


def seconds(work: Callable[[int], object], repeats: int) -> float:
    """Median time of `work(i)`, the first call left out."""
    times = []
    for i in range(repeats + 1):
        start = time.perf_counter()
        work(i)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def measure(name: str, settings: Training, size: int, repeats: int) -> tuple[str, ...]:
    """One row: name, size, parameters, training and sampling images a second."""
    torch.manual_seed(0)
    batch = settings.batch
    spec = ImageSpec(size, size, 1, CLASSES)
    model = build(settings, spec, amp_dtype(settings.precision, CPU)).to(memory_format=torch.channels_last)
    images = torch.rand(batch, 1, size, size).mul_(2).sub_(1).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch) % len(CLASSES)

    def update(i: int) -> None:
        model.update(Batch(images, labels, seed=i))

    def sample(i: int) -> None:
        model.sample(labels, torch.arange(batch) + i * batch)

    # A penalty that is due every 16th update weighs as much as it does in a real training.
    training = seconds(lambda i: [update(16 * i + k) for k in range(16)], repeats) / 16
    model.eval()
    sampling = seconds(sample, 3 * repeats)
    count = sum(model_files.parameters(model).values()) / 1e6
    return name, str(size), f"{count:.2f} M", f"{batch / training:.1f}", f"{batch / sampling:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "config.yaml")
    parser.add_argument("--repeats", type=int, default=1, help="times that 16 updates are timed")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file as well")
    wish = parser.parse_args()
    use_threads(wish.threads)
    lines = [
        f"`{' '.join(['python', *sys.argv])}`, torch {torch.__version__}, {cpu()}, {torch.get_num_threads()} threads,"
        f" precision {'bf16' if amp_dtype('auto', CPU) else 'fp32'}",
        "",
        "| model | pixels | parameters | training, images/s | sampling, images/s |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    print("\n".join(lines), flush=True)
    for name, settings in load(yaml.safe_load(wish.config.read_text(encoding="utf-8"))).models.items():
        for size in wish.sizes:
            lines.append("| " + " | ".join(measure(name, settings, size, wish.repeats)) + " |")
            print(lines[-1], flush=True)
    if wish.out:
        wish.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def cpu() -> str:
    """Name of the processor and how many cores there are."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.is_file() else [])
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.machine()} ({os.cpu_count()} cores)"


if __name__ == "__main__":
    main()
