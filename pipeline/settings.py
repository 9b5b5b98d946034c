"""Every setting: its type, default, bounds and one-line meaning. Imports neither torch nor anything of the package."""

from __future__ import annotations

import difflib
import json
import shlex
from typing import Annotated, Any, Literal, NamedTuple, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

# A number a stage: raised when its method changes, so that finished work is redone on purpose and never by accident.
METHOD = {"prepare": 1, "train": 2, "generate": 1, "gallery": 1, "evaluate": 1, "detect": 1, "report": 1}


class UserError(Exception):
    """Something the user can mend. The message names the file or setting, its value and the limit."""


class ImageSpec(NamedTuple):
    """What a data set tells a model about its images."""

    height: int
    width: int
    channels: int
    classes: tuple[str, ...]
    symmetry: str = "none"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())


Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
# Names become file names, wildcards and MLflow keys.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


# ---------------------------------------------------------------- data sets


class Voronoi(Strict):
    """Procedural polycrystals: what `source: voronoi` draws. Lengths in pixels, gray values in [0, 1]."""

    images_per_class: Count = 300
    """Images drawn for each class."""
    classes: list[Literal["intact", "pores", "scratch", "coarse"]] = ["intact", "pores", "scratch", "coarse"]
    """Classes drawn; `coarse` holds one abnormally large grain."""
    grain_size: Positive = 11.0
    """Mean grain diameter."""
    elongation: Annotated[float, Field(ge=1)] = 1.0
    """Grain length over width along the horizontal axis."""
    boundary_width: Positive = 1.4
    """Full width of a grain boundary."""
    contrast: Fraction = 0.5
    """Spread of the grains' gray values."""
    noise: Fraction = 0.02
    """Standard deviation of the added detector noise."""
    seed: int = 0
    """Same seed, same images."""


class HDF5(Strict):
    """How to read an HDF5 source; everything left out is found by looking."""

    images: str | None = None
    """Path of the data set (or of the group that holds one data set an image) inside the file."""
    labels: str | None = None
    """Path of a data set with one label an image."""
    layout: Literal["auto", "nhw", "nhwc", "nchw", "flat"] = "auto"
    """Order of the axes; `flat` is one row an image and needs `shape`."""
    shape: list[Count] | None = None
    """Shape of one image, (H, W) or (H, W, C), for flat rows."""


class Labels(Strict):
    """Where an image's class comes from."""

    rule: Literal["none", "folder", "filename", "csv", "hdf5"] = "none"
    """`filename` takes group 1 of `pattern`; `csv` reads `csv`; `hdf5` reads `hdf5.labels`."""
    pattern: str = r"^(.+?)[-_ ]?\d+$"
    """Regular expression on the file name without its extension; group 1 is the class."""
    csv: list[str] = []
    """CSV files with one row an image."""
    file_column: str = "file"
    """Column of the CSV that holds the file name, relative to the source."""
    class_column: str = "class"
    """Column of the CSV that holds the class."""
    classes: list[str] | None = None
    """The classes to use, in this order; null takes all that occur. An image of another class is rejected."""


class Scaling(Strict):
    """How source values become stored integers; recorded, so that it can be undone on export."""

    rule: Literal["dtype", "fixed", "percentile", "image_percentile"] = "dtype"
    """`dtype`: the full range of the source type ([0, 1] for floats); `fixed`: low to high; `percentile`: over the
    data set; `image_percentile`: over each image, which removes differences of brightness between images."""
    low: float = 0.0
    """For `fixed`: the source value that becomes black."""
    high: float = 1.0
    """For `fixed`: the source value that becomes white."""
    low_percentile: Annotated[float, Field(ge=0, le=100)] = 0.1
    """For the percentile rules: the percentile that becomes black."""
    high_percentile: Annotated[float, Field(ge=0, le=100)] = 99.9
    """For the percentile rules: the percentile that becomes white."""

    @model_validator(mode="after")
    def ordered(self):
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.low_percentile >= self.high_percentile:
            raise ValueError(
                f"low_percentile ({self.low_percentile}) must be below high_percentile ({self.high_percentile})"
            )
        return self


class Split(Strict):
    """Which images may train and which may only judge. Whole sources stay on one side."""

    test: Fraction = 0.2
    """Fraction of each class's images held out for judging; ignored where the CSV names the test images."""
    val: Fraction = 0.1
    """Fraction of each class's remaining images held out for choosing; ignored where the CSV names them."""
    seed: int = 0
    """Same seed, same split."""
    column: str | None = None
    """Column of the labels' CSV that names each image's split."""
    names: dict[str, Literal["train", "val", "test"]] = {"train": "train", "val": "val", "test": "test"}
    """What the words of that column mean here."""
    group_column: str | None = None
    """Column of the labels' CSV; rows of one group stay on one side. Null groups by source file."""
    group_pattern: str | None = None
    """Regular expression on the file name without its extension; images of equal group 1 stay on one side."""


class Dataset(Strict):
    source: str | list[str]
    """A folder, a glob, a list of files, an HDF5 file, or `voronoi` (drawn here)."""
    size: Annotated[int, Field(ge=16, le=1024)] = 128
    """Height and width of a training image in pixels."""
    fit: Literal["resize", "tile"] = "resize"
    """`resize`: the largest centred square, resampled with anti-aliasing; `tile`: overlapping squares."""
    tile_source: Positive | None = None
    """For `tile`: side in source pixels of the square that becomes one tile; null is `size` (no resampling)."""
    tile_overlap: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """For `tile`: smallest overlap of neighbouring tiles, as a fraction of their side."""
    channels: Literal["auto", "gray", "rgb"] = "auto"
    """`auto`: gray unless an image has colour."""
    pages: Literal["all"] | Annotated[int, Field(ge=0)] = 0
    """Pages of a multi-page TIFF: one of them, counted from 0, or `all`."""
    crop_bottom: Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, lt=1)] = 0
    """Rows to cut off at the bottom (an instrument's information bar): pixels, or a fraction of the height."""
    limit: Count | None = None
    """At most this many source images a class, drawn by the split's seed."""
    shots: Count | None = None
    """Few-shot set: only this many training images a class; the held-out images stay as they are."""
    symmetry: Literal["none", "horizontal", "vertical", "both", "dihedral"] = "none"
    """Flips (`dihedral`: quarter turns too) that leave the physics unchanged; used wherever images are augmented."""
    pixel_size: Positive | None = None
    """Length of one source pixel, in `unit`."""
    unit: str = "µm"
    """Unit of `pixel_size`."""
    max_pixels: Count = 400_000_000
    """An image that claims more pixels is rejected unread."""
    labels: Labels = Labels()
    scaling: Scaling = Scaling()
    split: Split = Split()
    hdf5: HDF5 = HDF5()
    voronoi: Voronoi = Voronoi()


# ---------------------------------------------------------------- models


class Training(Strict):
    """What every family has."""

    total_images: Count = 200_000
    """Real images shown in all; the one budget."""
    batch: Annotated[int, Field(ge=2)] = 32
    """Images an update, over all devices."""
    batch_per_device: Count | None = None
    """Images that go through the networks at once on a device; null is all of its share. Gradients of the parts are
    added up; batch statistics are those of a part."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`auto`: bf16 where the hardware gains by it."""
    compile: bool = False
    """Compile the networks (torch.compile) where no second derivative is taken; needs a C++ compiler on CPUs."""
    rate_decay: Literal["none", "cosine"] = "none"
    """How learning rates fall over the training."""
    rate_warmup: Annotated[int, Field(ge=0)] = 0
    """Images over which learning rates rise from zero."""
    ema_images: Positive = 10_000
    """Half-life, in images, of the averaged weights that images are drawn from."""
    ema_rampup: Annotated[float, Field(ge=0)] = 0.05
    """The half-life is at most this fraction of the images seen, so that early grids are not the initial weights."""
    snapshots: Count = 20
    """Sample grids drawn over the whole training; at each, held-out images are looked at."""
    keep: Literal["best", "last"] = "best"
    """Which weights become the model: those of the snapshot with the lowest held-out KID, or the last."""
    patience: Count | None = None
    """Stop after this many snapshots without a better held-out loss (of a family that has one) or KID; null never."""
    classes: list[str] | None = None
    """Train on these classes only; null is all."""


class DCGAN(Training):
    """Deep convolutional GAN (Radford et al. 2016): batch normalisation, binary cross-entropy."""

    family: Literal["dcgan"]
    batch: Annotated[int, Field(ge=2)] = 128
    """Images an update, over all devices."""
    z_dim: Count = 100
    """Length of the latent vector."""
    channels: Count = 512
    """Channels at 4 pixels; halved at every doubling of the resolution, down to 8."""
    discriminator_channels: Count | None = None
    """The same for the discriminator; null is channels."""
    discriminator_steps: Count = 1
    """Steps of the discriminator for one of the generator; each sees the same real images with latents of its own."""
    input_noise: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of normal noise on every image the discriminator sees; black to white is 2."""
    clip: Positive | None = None
    """Upper bound of the norm of a network's gradient; null is none."""
    learning_rate: Positive = 2e-4
    """Adam step of both networks."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """First Adam moment; the second is 0.999."""


class CGAN(Training):
    """Class-conditional convolutional GAN: DCGAN layout, projection discriminator, hinge loss."""

    family: Literal["cgan"]
    z_dim: Count = 256
    """Length of the latent vector."""
    generator_channels: Count = 32
    """Channels at full resolution in the generator; doubled at every halving up to 512."""
    discriminator_channels: Count = 28
    """Channels at half resolution in the discriminator; doubled at every further halving up to 512."""
    generator_rate: Positive = 2e-4
    """Adam step of the generator."""
    discriminator_rate: Positive = 2e-4
    """Adam step of the discriminator."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """First Adam moment; the second is 0.99."""
    spectral_norm: bool = True
    """Spectral normalisation of the discriminator (Miyato et al. 2018)."""


class WGANGP(Training):
    """Wasserstein GAN with gradient penalty (Gulrajani et al. 2017)."""

    family: Literal["wgan_gp"]
    batch: Annotated[int, Field(ge=2)] = 64
    """Images an update, over all devices."""
    rate_decay: Literal["none", "cosine"] = "cosine"
    """How learning rates fall over the training."""
    z_dim: Count = 128
    """Length of the latent vector."""
    channels: Count = 512
    """Channels at 4 pixels of both networks; halved at every doubling of the resolution, down to 8."""
    generator_rate: Positive = 1e-4
    """Adam step of the generator."""
    critic_rate: Positive = 4e-4
    """Adam step of the critic (two time scales, Heusel et al. 2017)."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """First Adam moment; the second is 0.9."""
    critic_steps: Count = 5
    """Steps of the critic for one of the generator; each sees the same real images with latents of its own."""
    penalty: Positive = 10.0
    """Weight λ of the gradient penalty."""
    layer_norm: bool = False
    """Layer normalisation in the critic (batch normalisation would tie its images together)."""


class Texture(Strict):
    """Statistics of textures that generated and real batches are drawn together by, beside the adversarial loss."""

    perceptual: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the mean VGG19 features (relu1_1 to relu4_1)."""
    gram: Annotated[float, Field(ge=0)] = 50.0
    """Weight of the mean Gram matrices of the same features."""
    fft: Annotated[float, Field(ge=0)] = 0.05
    """Weight of the mean magnitude spectra."""
    weights: str = "~/.cache/pyrite"
    """Folder of downloaded weights; can be filled by hand."""


class StyleGAN2ADA(Training):
    """StyleGAN2 with adaptive discriminator augmentation (Karras et al. 2020a, 2020b)."""

    family: Literal["stylegan2_ada"]
    z_dim: Count = 512
    """Length of the latent vector."""
    w_dim: Count = 512
    """Length of the intermediate latent vector."""
    mapping_layers: Annotated[int, Field(ge=1, le=8)] = 2
    """Layers of the mapping network; 8 in the paper, 2 below 512 pixels."""
    channel_base: Count = 16384
    """Channels at a resolution are channel_base / resolution, at most channel_max."""
    channel_max: Count = 512
    """Most channels at any resolution."""
    discriminator_channel_base: Count | None = None
    """The same for the discriminator; null is channel_base."""
    discriminator_channel_max: Count | None = None
    """The same for the discriminator; null is channel_max."""
    modulation: Literal["weights", "adain"] = "weights"
    """`weights`: weight demodulation (StyleGAN2); `adain`: adaptive instance normalisation (StyleGAN), an ablation."""
    noise_strength: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the noise inputs before training; 0 in the paper. 0.3 makes textures varied within a short training."""
    noise_resolution: Annotated[int, Field(ge=4)] | None = None
    """Shorter side of the finest features that noise enters; null: all, as in the paper. With 8 it arranges a texture,
    but cannot stand in for its details."""
    learning_rate: Positive = 0.0025
    """Adam step of both networks; 0.002 in the paper at 512 pixels and above."""
    r1_gamma: Annotated[float, Field(ge=0)] | None = None
    """Weight of the R1 penalty; null is 2e-4 · pixels² / batch."""
    r1_every: Count = 16
    """Updates between R1 penalties."""
    path_length_weight: Annotated[float, Field(ge=0)] = 2.0
    """Weight of the path length penalty; 0 leaves it out."""
    path_length_every: Count = 4
    """Updates between path length penalties."""
    style_mixing: Fraction = 0.9
    """Probability that an image mixes two latents."""
    ada_target: Fraction = 0.6
    """Target of the overfitting heuristic r_t; 0 switches the augmentation off."""
    ada_images: Positive = 100_000
    """Images over which the augmentation probability may go from 0 to 1."""
    texture: Texture | None = None
    """Texture losses of the generator; null leaves them out."""
    checkpoint_activations: bool = False
    """Compute activations again in the backward pass: less memory, about a third more time."""


class DDPM(Training):
    """Denoising diffusion (Ho et al. 2020; Nichol & Dhariwal 2021) with a fast sampler (Lu et al. 2022)."""

    family: Literal["ddpm"]
    rate_warmup: Annotated[int, Field(ge=0)] = 10_000
    """Images over which learning rates rise from zero."""
    patience: Count | None = 6
    """Stop after this many snapshots without a better held-out loss or KID; null never. Small sets are copied after
    a time proportional to their number."""
    channels: Count = 64
    """Channels at full resolution."""
    multipliers: Annotated[list[Count], Field(min_length=1)] = [1, 2, 2, 4]
    """Factors of `channels`, one a resolution, each half the one before."""
    blocks: Count = 2
    """Residual blocks a resolution."""
    attention: list[Count] = [16, 8]
    """Sides (the shorter, in pixels) of the features with self-attention."""
    heads: Count = 4
    """Heads of the attention."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the activations set to zero in a residual block."""
    learning_rate: Positive = 2e-4
    """Adam step."""
    schedule: Literal["cosine", "linear"] = "cosine"
    """Noise schedule over 1000 steps."""
    prediction: Literal["v", "epsilon"] = "v"
    """What the network predicts."""
    min_snr: Positive | None = 5.0
    """Bound of the signal-to-noise ratio in the loss weights (Hang et al. 2023); null weights all steps alike."""
    label_dropout: Fraction = 0.1
    """Share of the images shown without their class, which guidance needs."""
    augment: Fraction = 0.0
    """Probability of each geometric augmentation; the network is told, so that samples show none (Karras 2022)."""
    sampler: Literal["dpm++", "ddim", "ancestral"] = "dpm++"
    """How images are drawn: DPM-Solver++(2M), DDIM, or the 1000 steps of the paper."""
    sampling_steps: Annotated[int, Field(ge=1, le=1000)] = 20
    """Network calls an image, for `dpm++` and `ddim`."""
    eta: Fraction = 0.0
    """For `ddim`: share of the noise of the ancestral sampler."""
    guidance: Annotated[float, Field(ge=0)] = 1.0
    """Classifier-free guidance; 1 is none, above 1 is more of the class and less variety."""
    checkpoint_activations: bool = False
    """Compute activations again in the backward pass: less memory, about a third more time."""


ModelSettings = Annotated[DCGAN | CGAN | WGANGP | StyleGAN2ADA | DDPM, Field(discriminator="family")]


# ---------------------------------------------------------------- the other stages


class Generate(Strict):
    images_per_class: Count | None = None
    """Images drawn for each class; null is as many as the class has training images."""
    seed: int = 0
    """Image i of a class is drawn from a seed derived from this, the class and i."""
    batch: Count = 64
    """Images drawn at a time; changes nothing but speed and memory."""
    truncation: Fraction = 1.0
    """Truncation ψ of families with styles: below 1 images are more typical of their class and vary less. The other
    families are drawn as with 1, which a run says when it starts."""
    export: Literal["tiff", "png"] = "tiff"
    """Format of the image files a user takes away. Float images are always TIFF."""


class Sweep(Strict):
    """The same seeds at several truncations ψ, as a sheet. Of families with styles."""

    truncations: Annotated[list[Fraction], Field(min_length=1)] = [0.0, 0.25, 0.5, 0.75, 1.0]
    """ψ of the columns; 0 is the mean of the class."""
    count: Count = 2
    """Rows of each class, a seed each."""


class Interpolation(Strict):
    """A film from one image to another and back, as frames, GIF and MP4. Of every family."""

    frames: Annotated[int, Field(ge=2)] = 8
    """Images from the one to the other, both among them."""
    space: Literal["w", "z"] = "w"
    """`w`: in a line between the styles, in families that have them; elsewhere, and with `z`, on the great circle
    between the latents."""
    fps: Annotated[int, Field(ge=1, le=50)] = 8
    """Frames a second."""
    count: Count = 1
    """Pairs of each class, side by side."""


class Mixing(Strict):
    """Coarse styles of one image with the finer ones of another, as a sheet. Of families with styles."""

    rows: Count = 3
    """Images of each class that give the coarse styles."""
    columns: Count = 4
    """Images of each class that give the other styles."""


class Strips(Strict):
    """Wide images without seams, as files in the type of the source. Of families that draw any width."""

    width: Annotated[int, Field(ge=16)] = 512
    """Pixels; a strip is as high as the training images. Memory does not grow with it."""
    count: Count = 1
    """Strips of each class."""


class Gallery(Strict):
    """What is drawn of each model beside its synthetic set, as far as its family can; null leaves a part out."""

    classes: list[str] | None = None
    """Classes to draw; null is the first four. A class that a model does not know is left out."""
    seed: int = 0
    """Same seed, same gallery. With that of `generate` the images are the first of the synthetic set."""
    batch: Count = 32
    """Images drawn at a time; changes nothing but speed and memory."""
    sweep: Sweep | None = Sweep()
    interpolation: Interpolation | None = Interpolation()
    mixing: Mixing | None = Mixing()
    strips: Strips | None = Strips()


class Evaluate(Strict):
    inception: Literal["auto", "on", "off"] = "auto"
    """FID by clean-fid's Inception: `auto` where its weights are in the cache, `on` fetches them, `off` omits it."""
    weights: str = "~/.cache/pyrite"
    """Folder of downloaded weights; can be filled by hand."""
    subsets: Annotated[int, Field(ge=2)] = 50
    """Random subsets for the spread of KID and bootstrap draws for the other intervals."""
    subset_size: Annotated[int, Field(ge=10)] = 100
    """Images in such a subset of KID, at most half as many as there are."""
    seed: int = 0
    """Seed of every random choice of the evaluation."""


class Detect(Strict):
    seeds: Annotated[int, Field(ge=2)] = 3
    """Paired repetitions: the same initial weights and data order in every arm."""
    steps: Count = 1500
    """Optimiser steps of a detector, the same in every arm."""
    batch: Annotated[int, Field(ge=2)] = 64
    """Images a step."""
    learning_rate: Positive = 1e-3
    """Peak AdamW step; cosine decay to zero."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    """AdamW weight decay."""
    width: Count = 64
    """Channels of ResNet-18's first stage; 64 in the paper."""


class Tracking(Strict):
    uri: str | None = None
    """MLflow tracking URI; null is a SQLite file under the results."""
    experiment: str = "pyrite"
    """Prefix of the MLflow experiments, one a data set."""
    tensorboard: bool = False
    """Write TensorBoard's event files too, under the results; needs `pip install 'pyrite[tensorboard]'`."""


class Settings(Strict):
    results: str = "results"
    """Folder of everything that is made."""
    seeds: Annotated[list[int], Field(min_length=1)] = [0]
    """One generator is trained for each."""
    tracking: Tracking = Tracking()
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    models: Annotated[dict[Name, ModelSettings], Field(min_length=1)]
    generate: Generate = Generate()
    gallery: Gallery = Gallery()
    evaluate: Evaluate = Evaluate()
    detect: Detect = Detect()

    @model_validator(mode="after")
    def possible(self):
        for name in ("real", "detection"):
            if name in self.models:
                raise ValueError(f"models.{name}: `{name}` is the name of a folder of the results; choose another")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: {self.seeds} names a seed twice")
        for dataset, d in self.datasets.items():
            if d.size & (d.size - 1) or d.size < 32:
                raise ValueError(
                    f"datasets.{dataset}.size: {d.size} cannot be made by any family; they make powers of "
                    "two from 32 to 1024"
                )
        if self.generate.truncation != 1 and not any(m.family in STYLED for m in self.models.values()):
            raise ValueError(
                f"generate.truncation: {self.generate.truncation:g} cannot be had, no model has styles; the families "
                f"that have: {', '.join(sorted(STYLED))}"
            )
        return self


# ---------------------------------------------------------------- from a raw configuration to settings


def load(config: dict[str, Any]) -> Settings:
    """Check a raw configuration and fill in every default.

    Beside the keys of `Settings` it may hold `all_datasets` and `all_models`, laid over every entry of `datasets` and
    `models` (a key is laid over the entries whose class has it), and `set`, a string of dotted overrides such as
    `"models.cgan.total_images=20000 seeds=[0,1]"`.

    Raises:
        UserError: an unknown key (with the nearest valid one), a wrong type or an impossible value.
    """
    config = _copy(config)
    for path, value in _overrides(config.pop("set", None) or ""):
        _assign(config, path, value)
    for key, entries in (("all_datasets", "datasets"), ("all_models", "models")):
        overlay = config.pop(key, None) or {}
        _check_overlay(key, entries, overlay)
        for entry in (config.get(entries) or {}).values():
            if isinstance(entry, dict):
                _merge(entry, {k: v for k, v in overlay.items() if k in _keys(entries, entry)})
    try:
        return Settings.model_validate(config)
    except ValidationError as error:
        raise UserError("\n".join(sorted({_explain(e) for e in error.errors()}))) from None


def model_settings(values: dict[str, Any]) -> Training:
    """The settings of one entry of `models`, in the class of its family."""
    return FAMILY_SETTINGS[values["family"]](**values)


def generate_of(generate: Generate, family: str) -> Generate:
    """The settings as they concern a family, so that its images are not drawn anew for what changes nothing."""
    return generate if family in STYLED else generate.model_copy(update={"truncation": 1.0})


def gallery_of(gallery: Gallery, family: str) -> Gallery | None:
    """The parts of the gallery that a family can draw, the others left out; None where no part remains."""
    cannot = (set() if family in STYLED else {"sweep", "mixing"}) | (set() if family in WIDE else {"strips"})
    drawn = gallery.model_copy(update=dict.fromkeys(cannot))
    return drawn if any((drawn.sweep, drawn.interpolation, drawn.mixing, drawn.strips)) else None


def schema() -> dict[str, Any]:
    """The JSON schema of a configuration file, for editors."""
    body = Settings.model_json_schema()
    body["properties"] |= {
        "all_datasets": {"type": "object", "description": "Laid over every entry of `datasets`."},
        "all_models": {"type": "object", "description": "Laid over every entry of `models`."},
        "set": {"type": "string", "description": "Dotted overrides: `models.cgan.total_images=20000 seeds=[0,1]`."},
    }
    return body | {"title": "Pyrite configuration"}


FAMILY_SETTINGS = {
    c.model_fields["family"].annotation.__args__[0]: c for c in (DCGAN, CGAN, WGANGP, StyleGAN2ADA, DDPM)
}
# What a family can beside drawing its images, known without torch so that a run can be planned.
STYLED = {"stylegan2_ada"}  # its models are a StyledModel
WIDE = {"stylegan2_ada", "ddpm"}  # its models are Wide


def _keys(entries: str, entry: dict) -> set[str]:
    if entries == "datasets":
        return set(Dataset.model_fields)
    family = FAMILY_SETTINGS.get(entry.get("family"), Training)
    return set(family.model_fields)


def _check_overlay(key: str, entries: str, overlay: dict) -> None:
    known = set(Dataset.model_fields)
    if entries == "models":
        known = set().union(*(c.model_fields for c in FAMILY_SETTINGS.values()))
    for unknown in set(overlay) - known:
        raise UserError(f"{key}.{unknown}: unknown setting{_nearest(unknown, known)}")


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def _merge(base: dict, overlay: dict) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = _copy(value)


def _overrides(text: str) -> list[tuple[list[str], Any]]:
    pairs = []
    for word in shlex.split(text):
        path, equals, value = word.partition("=")
        if not equals or not path:
            raise UserError(f"set: `{word}` is not of the form key.key=value")
        try:
            pairs.append((path.split("."), yaml.safe_load(value)))
        except yaml.YAMLError:
            raise UserError(f"set: the value of `{path}` is not YAML: {value}") from None
    return pairs


def _assign(config: dict, path: list[str], value: Any) -> None:
    for depth, key in enumerate(path[:-1], 1):
        config = config.setdefault(key, {})
        if not isinstance(config, dict):
            raise UserError(f"set: `{'.'.join(path[:depth])}` is a value, not a section")
    config[path[-1]] = value


def _explain(error: dict) -> str:
    path = _path(error["loc"])
    where = [str(p) for p in path]
    name = ".".join(where) or "configuration"
    match error["type"]:
        case "extra_forbidden":
            return f"{name}: unknown setting{_nearest(where[-1], _siblings(path, error['loc']))}"
        case "missing":
            return f"{name}: this setting has no default and must be given"
        case "union_tag_not_found":
            return f"{name}.family: must be given, one of {', '.join(FAMILY_SETTINGS)}"
        case "union_tag_invalid":
            tag = error["ctx"]["tag"]
            return f"{name}.family: `{tag}` is not one of {', '.join(FAMILY_SETTINGS)}{_nearest(tag, FAMILY_SETTINGS)}"
        case "string_pattern_mismatch" if where[-1:] == ["[key]"]:
            return f"{'.'.join(where[:-1])}: a name is letters, digits and _, and begins with a letter"
        case "value_error":
            message = str(error["ctx"]["error"])
            return f"{name}: {message}" if where else message
    return f"{name}: {error['msg']}; it is {error['input']!r}"


def _nearest(word: str, known) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean `{near[0]}`?" if near else f"; the valid ones are {', '.join(sorted(known))}"


def _path(loc: tuple) -> tuple:
    """The setting's place as its user wrote it: without the names pydantic gives to the members of a union."""
    if loc[:1] == ("models",) and len(loc) > 2:
        loc = (*loc[:2], *loc[3:])
    return tuple(p for p in loc if not str(p).startswith(("constrained-", "literal[", "list[")))


def _siblings(path: tuple, loc: tuple) -> list[str]:
    """The valid keys of the section that an unknown key stands in."""
    section: Any = Settings
    for depth, part in enumerate(path[:-1]):
        if depth == 1 and path[0] in ("datasets", "models"):
            section = Dataset if path[0] == "datasets" else FAMILY_SETTINGS[loc[2]]
        elif part in getattr(section, "model_fields", {}):
            section = _section(section.model_fields[part].annotation)
    keys = list(getattr(section, "model_fields", {}))
    return [*keys, "all_datasets", "all_models", "set"] if section is Settings else keys


def _section(annotation: Any) -> Any:
    """The class of a section that may be null."""
    return next((a for a in get_args(annotation) if a is not type(None)), annotation)


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
