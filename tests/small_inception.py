"""A small network in Inception's place: its features are the means of the channels that it is given."""

from pathlib import Path

import torch
from torch import nn


class Mean(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3)).repeat(1, 683)[:, :2048]


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = Mean()
        self.output = nn.Linear(2048, 1008)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def save(path: Path) -> None:
    torch.jit.script(Network()).save(path)
