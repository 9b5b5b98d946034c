"""A second StyleGAN2, written plainly from the papers, whose snapshots have the layout of NVIDIA's files.

Names of tensors and the way they are pickled are those of such files. How an image or a logit comes of them is computed
here image by image: kernels scaled by the style, zeros between pixels, filters as sums over shifted images.
"""

import math
import pickle
import sys
import types
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8


class EasyDict(dict):
    """A dict whose entries are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        self[name] = value


def _reconstruct_persistent_obj(meta):
    raise AssertionError("a reader ran what the snapshot asked for")


class Persistent(nn.Module):
    """Pickles itself as its class's name and source, and its attributes."""

    def __init__(self, *args, **kwargs):
        super().__init__()
        self._init_args, self._init_kwargs = args, EasyDict(kwargs)
        self.gain = np.float64(1.4142)  # a numpy scalar, as there
        self.taps = np.array([1, 3, 3, 1])
        self.build(*args, **kwargs)

    def __reduce__(self):
        source = "import os\nos.abort()  # what nobody may run"
        meta = {
            "type": "class",
            "version": 6,
            "module_src": source,
            "class_name": type(self).__name__,
            "state": self.__dict__,
        }
        return _reconstruct_persistent_obj, (meta,), None


class FullyConnectedLayer(Persistent):
    def build(self, inputs, outputs, bias=0.0, rate=1.0):
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias) + 0.1 * torch.randn(outputs) / rate)
        self.rate = rate

    def forward(self, x, active=False):
        y = x @ (self.weight.double().T * self.rate / math.sqrt(self.weight.shape[1])) + self.bias.double() * self.rate
        return lrelu(y) if active else y


class MappingNetwork(Persistent):
    def build(self, z_dim, c_dim, w_dim, layers, tracked=True):
        self.z_dim, self.c_dim = z_dim, c_dim
        if c_dim:
            self.embed = FullyConnectedLayer(c_dim, w_dim)
        sizes = [z_dim + (w_dim if c_dim else 0)] + [w_dim] * layers
        for i in range(layers):
            setattr(self, f"fc{i}", FullyConnectedLayer(sizes[i], w_dim, rate=0.01))
        self.layers = layers
        if tracked:
            self.register_buffer("w_avg", torch.randn(w_dim))

    def forward(self, z, c, psi=1.0):
        parts = [unit(z)] if self.z_dim else []
        if self.c_dim:
            parts.append(unit(self.embed(c)))
        x = torch.cat(parts, 1)
        for i in range(self.layers):
            x = getattr(self, f"fc{i}")(x, active=True)
        return x if psi == 1 else self.w_avg.double() + psi * (x - self.w_avg.double())


class SynthesisLayer(Persistent):
    def build(self, inputs, outputs, w_dim, size, up=False):
        self.affine = FullyConnectedLayer(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(0.1 * torch.randn(outputs))
        self.noise_strength = nn.Parameter(torch.randn([]) * 0.3)
        self.register_buffer("noise_const", torch.randn(size, size))
        self.register_buffer("resample_filter", torch.outer(TAPS, TAPS).float())
        self.up = up

    def forward(self, x, w, noise):
        styles = self.affine(w)
        images = []
        for image, style, grain in zip(x, styles, noise, strict=True):
            kernel = self.weight.double() * style[None, :, None, None]
            kernel = kernel / kernel.square().sum((1, 2, 3), keepdim=True).add(1e-8).sqrt()
            y = doubled(image[None], kernel) if self.up else F.conv2d(image[None], kernel, padding=1)
            images.append(y + grain * self.noise_strength.double())
        return lrelu(torch.cat(images) + self.bias.double()[:, None, None])


class ToRGBLayer(Persistent):
    def build(self, inputs, channels, w_dim):
        self.affine = FullyConnectedLayer(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs, 1, 1))
        self.bias = nn.Parameter(0.1 * torch.randn(channels))

    def forward(self, x, w):
        styles = self.affine(w) / math.sqrt(self.weight.shape[1])
        weights = self.weight.double()[:, :, 0, 0]
        return torch.einsum("oi,ni,nihw->nohw", weights, styles, x) + self.bias.double()[:, None, None]


class SynthesisBlock(Persistent):
    def build(self, inputs, outputs, w_dim, size, channels):
        if inputs:
            self.conv0 = SynthesisLayer(inputs, outputs, w_dim, size, up=True)
        else:
            self.const = nn.Parameter(torch.randn(outputs, size, size))
        self.conv1 = SynthesisLayer(outputs, outputs, w_dim, size)
        self.torgb = ToRGBLayer(outputs, channels, w_dim)


class SynthesisNetwork(Persistent):
    def build(self, w_dim, size, channels, widths):
        self.sides = sorted(widths)
        for before, side in zip([0, *self.sides], self.sides, strict=False):
            setattr(self, f"b{side}", SynthesisBlock(widths.get(before, 0), widths[side], w_dim, side, channels))

    def forward(self, ws, noise):
        """ws: a list of (N, w), one a convolution and one for the last image; others take the next convolution's."""
        noise = iter(noise)
        block = self.b4
        x = block.conv1(block.const.double().expand(len(ws[0]), -1, -1, -1), ws[0], next(noise))
        image = block.torgb(x, ws[1])
        for side, i in zip(self.sides[1:], range(1, len(ws) - 1, 2), strict=True):
            block = getattr(self, f"b{side}")
            x = block.conv1(block.conv0(x, ws[i], next(noise)), ws[i + 1], next(noise))
            image = enlarged(image) + block.torgb(x, ws[i + 2])
        return image


class Generator(Persistent):
    def build(self, z_dim, c_dim, w_dim, img_resolution, img_channels, layers=2, base=128, most=16):
        self.mapping = MappingNetwork(z_dim, c_dim, w_dim, layers)
        self.synthesis = SynthesisNetwork(w_dim, img_resolution, img_channels, widths(img_resolution, base, most))

    def forward(self, z, c, noise, psi=1.0, cutoff=None):
        """noise: a list of (N, 1, side, side), one a convolution; cutoff: layers that are truncated, None: all."""
        layers = 2 * len(self.synthesis.sides)
        ws = [self.mapping(z.double(), c, psi if cutoff is None or i < cutoff else 1.0) for i in range(layers)]
        return self.synthesis(ws, [n.double() for n in noise])


class Conv2dLayer(Persistent):
    def build(self, inputs, outputs, kernel, bias=True, down=False):
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(0.1 * torch.randn(outputs)) if bias else None
        self.register_buffer("resample_filter", torch.outer(TAPS, TAPS).float())
        self.down = down

    def forward(self, x):
        kernel = self.weight.double() / math.sqrt(self.weight[0].numel())
        size = kernel.shape[2]
        if self.down:
            x = filtered(x, 2 if size == 3 else 1)
        y = F.conv2d(x, kernel, stride=2 if self.down else 1, padding=0 if self.down else size // 2)
        return y if self.bias is None else lrelu(y + self.bias.double()[:, None, None])


class DiscriminatorBlock(Persistent):
    def build(self, channels, inputs, outputs, residual):
        if channels:
            self.fromrgb = Conv2dLayer(channels, inputs, 1)
        self.conv0 = Conv2dLayer(inputs, inputs, 3)
        self.conv1 = Conv2dLayer(inputs, outputs, 3, down=True)
        if residual:
            self.skip = Conv2dLayer(inputs, outputs, 1, bias=False, down=True)

    def forward(self, x):
        y = self.conv1(self.conv0(x))
        return (y + self.skip(x)) * math.sqrt(0.5) if hasattr(self, "skip") else y


class MinibatchStdLayer(Persistent):
    def build(self, group_size):
        self.group_size, self.num_channels = group_size, 1

    def forward(self, x):
        """Of n groups the image i belongs to the one of number i modulo n."""
        n = len(x) // min(len(x), self.group_size or len(x))
        y = x.new_empty(len(x), 1, 4, 4)
        for k in range(n):
            group = x[k::n]
            y[k::n] = (group.var(0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat([x, y], 1)


class DiscriminatorEpilogue(Persistent):
    def build(self, inputs, outputs, group, channels, deviation):
        if channels:
            self.fromrgb = Conv2dLayer(channels, inputs, 1)
        self.mbstd = MinibatchStdLayer(group) if deviation else None
        self.conv = Conv2dLayer(inputs + deviation, inputs, 3)
        self.fc = FullyConnectedLayer(inputs * 16, inputs)
        self.out = FullyConnectedLayer(inputs, outputs)

    def forward(self, x):
        x = self.conv(self.mbstd(x) if self.mbstd else x)
        return self.out(self.fc(x.flatten(1), active=True))


class Discriminator(Persistent):
    """`residual` and `skips`: figures 7c and 7b of Karras et al. 2020a; `vector`: numbers of that of a class."""

    def build(
        self,
        c_dim,
        img_resolution,
        img_channels,
        layers=8,
        base=128,
        most=16,
        residual=True,
        group=4,
        skips=False,
        deviation=1,
        vector=None,
    ):
        wide = widths(img_resolution, base, most)
        self.sides = sorted(wide, reverse=True)[:-1]
        for side in self.sides:
            channels = img_channels if skips or side == img_resolution else 0
            setattr(self, f"b{side}", DiscriminatorBlock(channels, wide[side], wide[side // 2], residual))
        self.skips, self.vector = skips, vector or wide[4]
        shown = img_channels if skips else 0
        self.b4 = DiscriminatorEpilogue(wide[4], self.vector if c_dim else 1, group, shown, deviation)
        if c_dim:
            self.mapping = MappingNetwork(0, c_dim, self.vector, layers, tracked=False)

    def forward(self, x, c):
        image = x.double()
        x = self.shown(image, self.sides[0])
        for side in self.sides:
            x = getattr(self, f"b{side}")(x)
            if self.skips:  # half the size by the filter
                image = filtered(image, 1)[:, :, ::2, ::2]
                x = x + self.shown(image, side // 2)
        x = self.b4(x)
        if hasattr(self, "mapping"):
            return (x * self.mapping(None, c)).sum(1) / math.sqrt(self.vector)
        return x[:, 0]

    def shown(self, image, side):
        return getattr(self, f"b{side}").fromrgb(image)


def widths(size, base, most):
    return {side: min(base // side, most) for side in (4 << i for i in range(size.bit_length() - 2))}


def lrelu(x):
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def unit(x):
    return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()


def filtered(x, padding, gain=1.0):
    """The [1, 3, 3, 1] filter along both axes as sums over shifted images, zeros beyond the edge."""
    for axis in (2, 3):
        pad = [0, 0, 0, 0]
        pad[2 * (3 - axis)] = pad[2 * (3 - axis) + 1] = padding
        x = F.pad(x, pad)
        n = x.shape[axis] - 3
        x = sum(tap * x.narrow(axis, i, n) for i, tap in enumerate(TAPS * math.sqrt(gain)))
    return x


def spread(x):
    """Zeros after every pixel."""
    y = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    y[:, :, ::2, ::2] = x
    return y


def enlarged(x):
    return filtered(F.pad(spread(x), (1, 0, 1, 0)), 1, gain=4.0)


def doubled(x, kernel):
    """Zeros between the pixels, a convolution (its kernel turned, as the word means it), the filter."""
    y = F.pad(spread(x), (2, 1, 2, 1))
    return filtered(F.conv2d(y, kernel.flip(2, 3)), 1, gain=4.0)


def networks(classes, channels, size, layers=2, seed=0, **judge):
    """G, D and G_ema with random weights, small: z of 8 and w of 8; `judge`: of D."""
    torch.manual_seed(seed)
    make = {"img_resolution": size, "img_channels": channels}
    return {
        "G": Generator(8, classes, 8, layers=layers, **make),
        "D": Discriminator(classes, **make, **judge),
        "G_ema": Generator(8, classes, 8, layers=layers, **make),
    }


def write(path, nets, protocol=4):
    """A snapshot file, and the names that it needs are gone again when it is there."""
    body = dict(
        nets, training_set_kwargs=EasyDict(path="images.zip", xflip=False), augment_pipe=None, done=OrderedDict()
    )
    persistence, util = types.ModuleType("torch_utils.persistence"), types.ModuleType("dnnlib.util")
    persistence._reconstruct_persistent_obj, util.EasyDict = _reconstruct_persistent_obj, EasyDict
    _reconstruct_persistent_obj.__module__, EasyDict.__module__ = "torch_utils.persistence", "dnnlib.util"
    modules = {"torch_utils": types.ModuleType("torch_utils"), "torch_utils.persistence": persistence}
    modules |= {"dnnlib": types.ModuleType("dnnlib"), "dnnlib.util": util}
    sys.modules.update(modules)
    try:
        path.write_bytes(pickle.dumps(body, protocol))
    finally:
        for name in modules:
            del sys.modules[name]
    return path
