"""Settings of the generators: what every family has, and a class for each."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from pipeline.settings.basics import MOST, Classes, Count, Folder, Fraction, Positive, Several, Strict, Switch, Whole

FEWEST = 10  # training images of a class, for a distribution of its coarse pictures
COARSE_PICTURES = "its images follow 8 x 8 grey values and contrasts of a training image each, which the model keeps"


def _none(value: Any) -> bool:
    return value is None


class GeneratorSettings(Strict):
    """What a family can do beside drawing images, known without torch so that a run can be planned."""

    has_styles: ClassVar[bool] = False
    """Its models are a StyledModel: truncation, style mixing."""
    draws_strips: ClassVar[bool] = False
    """Its models draw images of any width."""
    digital_source: ClassVar[str] = "trainedAlgorithmicMedia"
    """What its images are, a term of IPTC's digital source types."""

    @property
    def draws_boxes(self) -> bool:
        """Whether the images of the model come with boxes."""
        return False

    @property
    def real_pixels(self) -> str:
        """What of the training images is in what it makes; empty where that is only what it has learnt."""
        return ""


class Untrained(GeneratorSettings):
    """What every family has that makes images of training images, without any training."""

    classes: Classes | None = None
    """Images of these classes only; null is all."""
    family: str
    """Name of the family."""


class QuiltingSettings(Untrained):
    """Image quilting (Efros & Freeman 2001): pieces of training images of a class, joined. Nothing is trained."""

    digital_source = "compositeCapture"

    family: Literal["quilting"]
    sources: Annotated[int, Field(ge=1, le=64)] = 6
    """Training images of the class that an image is put together from; fewer where there are fewer."""
    patch: Annotated[float, Field(ge=0.1, le=1)] = 0.375
    """Side of a piece, as a share of the image's shorter side."""
    overlap: Annotated[float, Field(gt=0, le=0.5)] = 0.25
    """By how much pieces overlap, as a share of a piece's side."""
    tolerance: Annotated[float, Field(ge=0)] = 0.1
    """A piece is drawn from those whose overlap differs by at most this share more than the best one's (0.1 in the
    paper)."""

    @property
    def real_pixels(self) -> str:
        return "its images are pieces of training images, joined"


class WarpSettings(Untrained):
    """Each image is a training image of the class, smoothly bent, shifted and a little brighter or darker. Nothing is
    trained."""

    digital_source = "algorithmicallyEnhanced"

    family: Literal["warp"]
    bend: Annotated[float, Field(ge=0, le=0.1)] = 1 / 16
    """The farthest that a pixel is moved by the bending, as a share of the shorter side."""
    shift: Annotated[float, Field(ge=0, le=1)] = 0.25
    """The farthest shift along either axis, as a share of the shorter side; what comes in is mirrored."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Contrast changes by up to this share, brightness by up to half of it."""

    @property
    def real_pixels(self) -> str:
        return "its images are training images, bent and shifted"


class HeldOut(Strict):
    """How held-out images are compared with drawn ones while a generator trains."""

    features: Literal["imagenet", "inception"]
    """`imagenet`: of a network that knows photographs, which is installed. `inception`: those of FID, so
    that curves of FID and of the Inception score are drawn too; slow without a graphics card."""
    weights: Folder = "~/.cache/pyrite"
    """Folder of Inception's weights, which are fetched where they are not; can be filled by hand."""
    patience_by: Literal["kid", "fid", "inception_score"] | None = None
    """What `patience` watches; null is the held-out loss of a family that has one, else KID."""

    def faults(self) -> Iterator[str]:
        if self.features != "inception" and self.patience_by in ("fid", "inception_score"):
            yield f"patience_by: {self.patience_by} needs features: inception"


class Training(GeneratorSettings):
    """What every family has that is trained."""

    from_budget: ClassVar[tuple[str, ...]] = ()
    """Settings that, where they are null, come from `total_images`."""

    total_images: Count = 200_000
    """Real images shown in all; the one budget."""
    batch: Several = 32
    """Images an update, over all devices."""
    batch_per_device: Count | None = None
    """Images that go through the networks at once on a device; null is all of its share. Gradients of the parts are
    added up; batch statistics are those of a part."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`auto`: bf16 where the hardware gains by it."""
    compile: Switch = "auto"
    """Compile the networks (torch.compile) where no second derivative is taken; needs a C++ compiler on CPUs. `auto`:
    `stylegan2_ada` and `ddpm` on a CUDA card, from 500 000 images on, where there is a C compiler."""
    lr_schedule: Literal["none", "cosine"] = "none"
    """How learning rates fall over the training."""
    lr_warmup_images: Whole = 0
    """Images over which learning rates rise from zero."""
    ema_half_life_images: Positive = 10_000
    """Half-life, in images, of the averaged weights that images are drawn from."""
    ema_rampup: Annotated[float, Field(ge=0)] = 0.05
    """The half-life is at most this fraction of the images seen, so that early grids are not the initial weights."""
    snapshots: Count = 20
    """Sample grids drawn over the whole training; at each, held-out images are looked at."""
    keep: Literal["best", "last"] = "best"
    """Which weights become the model: those of the latest snapshot whose held-out KID is within one standard error of
    the lowest, or the last."""
    patience: Count | None = None
    """Stop after this many snapshots without a better held-out loss (of a family that has one) or KID; null never."""
    classes: Classes | None = None
    """Train on these classes only; null is all."""
    # As with `boxes` of ddpm: models that do without stay what they are.
    held_out: Annotated[HeldOut | None, Field(exclude_if=_none)] = None
    """How held-out images are compared with drawn ones; null is in the features of random networks."""
    init_from: Annotated[Folder | None, Field(exclude_if=_none)] = None
    """Begin with the weights of another model, as far as they fit: of the same family, by its folder
    `results/{dataset}/{model}/seed-{seed}`; for `stylegan2_ada` also a snapshot of NVIDIA's (`*.pkl`). Null begins
    anew."""
    family: str
    """Name of the family."""

    @property
    def depends_on_budget(self) -> bool:
        """Whether an update depends on `total_images`, so that a longer training does not begin as a shorter one."""
        return self.lr_schedule != "none" or any(getattr(self, name) is None for name in self.from_budget)


class AroundPictures(Training):
    """What the families have that draw around coarse pictures, or may."""

    # Said only where it is not the default, so that models from before it was there stay what they are.
    coarse_pictures_from: Annotated[Literal["images", "distribution"], Field(exclude_if="images".__eq__)] = "images"
    """`images`: the coarse pictures are those of training images, all of which the model keeps. `distribution`: they
    are drawn from a normal distribution of each class's; the model keeps its mean and its components."""

    @property
    def draws_around(self) -> bool:
        """Whether its images are drawn around coarse pictures."""
        return True

    @property
    def real_pixels(self) -> str:
        return COARSE_PICTURES if self.draws_around and self.coarse_pictures_from == "images" else ""

    def faults(self) -> Iterator[str]:
        if self.coarse_pictures_from != "images" and not self.draws_around:
            yield f"coarse_pictures_from: {self.coarse_pictures_from} needs coarse_pictures: true"


class CoarsePictures(AroundPictures):
    """What the GANs have that may draw around coarse pictures."""

    # Said only where it is true, so that models from before it was there stay what they are.
    coarse_pictures: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Draw around coarse pictures of the training images, grey values and contrasts in 8 x 8 places, as
    `projected_gan` does: closer after a few minutes of training, but what is where is then a real image's, unless
    `coarse_pictures_from` says otherwise."""

    @property
    def draws_around(self) -> bool:
        return self.coarse_pictures


class DCGANSettings(CoarsePictures):
    """Deep convolutional GAN (Radford et al. 2016): batch normalisation, binary cross-entropy."""

    family: Literal["dcgan"]
    batch: Several = 128
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


class CGANSettings(CoarsePictures):
    """Class-conditional convolutional GAN: DCGAN layout, projection discriminator, hinge loss."""

    family: Literal["cgan"]
    z_dim: Count = 256
    """Length of the latent vector."""
    generator_channels: Count = 32
    """Channels at full resolution in the generator; doubled at every halving up to 512."""
    discriminator_channels: Count = 28
    """Channels at half resolution in the discriminator; doubled at every further halving up to 512."""
    generator_lr: Positive = 2e-4
    """Adam step of the generator."""
    discriminator_lr: Positive = 2e-4
    """Adam step of the discriminator."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """First Adam moment; the second is 0.99."""
    spectral_norm: bool = True
    """Spectral normalisation of the discriminator (Miyato et al. 2018)."""
    # Said only where it is true, so that models from before it was there stay what they are.
    augment: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Show the discriminator all images moved by up to an eighth of a side and a little brighter or darker (Zhao et
    al. 2020); for less than some hundred images."""
    noise_strength: Annotated[float, Field(ge=0, exclude_if=operator.not_)] = 0.0
    """Weight of noise at each resolution of the generator before training; 0 leaves it out. For textures whose details
    lie anywhere, and images with noise of their own."""
    class_weight: Annotated[float, Field(ge=0, exclude_if=operator.not_)] = 0.0
    """Weight of a class loss (Odena et al. 2017): the discriminator also learns to name the class of real images, and
    the generator to draw what it names; 0 leaves it out."""


class WGANGPSettings(CoarsePictures):
    """Wasserstein GAN with gradient penalty (Gulrajani et al. 2017)."""

    family: Literal["wgan_gp"]
    batch: Several = 64
    """Images an update, over all devices."""
    lr_schedule: Literal["none", "cosine"] = "cosine"
    """How learning rates fall over the training."""
    z_dim: Count = 128
    """Length of the latent vector."""
    channels: Count = 512
    """Channels at 4 pixels of both networks; halved at every doubling of the resolution, down to 8."""
    generator_lr: Positive = 1e-4
    """Adam step of the generator."""
    critic_lr: Positive = 4e-4
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
    """Losses beside the adversarial one: how generated and real batches differ in statistics of textures."""

    perceptual: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the mean VGG19 features (relu1_1 to relu4_1)."""
    gram: Annotated[float, Field(ge=0)] = 50.0
    """Weight of the mean Gram matrices of the same features."""
    fft: Annotated[float, Field(ge=0)] = 0.05
    """Weight of the mean magnitude spectra."""
    weights: Folder = "~/.cache/pyrite"
    """Folder of downloaded weights; can be filled by hand."""


class StyleGAN2ADASettings(Training):
    """StyleGAN2 with adaptive discriminator augmentation (Karras et al. 2020a, 2020b)."""

    has_styles: ClassVar[bool] = True
    draws_strips: ClassVar[bool] = True
    from_budget: ClassVar[tuple[str, ...]] = ("ada_images",)
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
    discriminator_mapping_layers: Annotated[Annotated[int, Field(ge=1, le=8)] | None, Field(exclude_if=_none)] = None
    """Layers of the network that maps classes for the discriminator; null is mapping_layers."""
    # Said only where it is false, so that models from before it was a setting stay what they are.
    discriminator_residual: Annotated[bool, Field(exclude_if=bool)] = True
    """Residual blocks in the discriminator; false is plain ones, which NVIDIA's weights of CIFAR-10 have."""
    discriminator_skips: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Show the discriminator the image at every size, not at the largest alone (Karras et al. 2020a, figure 7b)."""
    discriminator_deviation: Annotated[bool, Field(exclude_if=bool)] = True
    """Tell the discriminator how much the images of a batch differ."""
    discriminator_class_width: Annotated[Count | None, Field(exclude_if=_none)] = None
    """Length of the vector of a class in the discriminator; null is its channels at the coarsest resolution."""
    modulation: Literal["weights", "adain"] = "weights"
    """`weights`: weight demodulation (StyleGAN2); `adain`: adaptive instance normalisation (StyleGAN), an ablation."""
    noise_strength: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the noise inputs before training; 0 in the paper. 0.3 makes textures varied within a short training."""
    noise_resolution: Annotated[int, Field(ge=4, le=MOST)] | None = None
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
    ada_images: Positive | None = None
    """Images over which the augmentation probability may go from 0 to 1; null is a tenth of total_images, at most the
    paper's 500 000."""
    texture: Texture | None = None
    """Texture losses of the generator; null leaves them out."""
    checkpoint_activations: bool = False
    """Compute activations again in the backward pass: less memory, about a third more time."""


class ProjectedGANSettings(AroundPictures):
    """Projected GAN (Sauer et al. 2021): it judges images by what a network trained on photographs sees in them, and
    draws around coarse pictures of the training images."""

    family: Literal["projected_gan"]
    batch: Several = 16
    """Images an update, over all devices."""
    lr_schedule: Literal["none", "cosine"] = "cosine"
    """How learning rates fall over the training."""
    lr_warmup_images: Whole = 500
    """Images over which learning rates rise from zero."""
    ema_half_life_images: Positive = 1000
    """Half-life, in images, of the averaged weights that images are drawn from."""
    z_dim: Count = 32
    """Channels of the noise that an image begins with, at 4 pixels."""
    generator_channels: Count = 16
    """Channels of the generator at full resolution; doubled at every halving up to `most_channels`."""
    most_channels: Count = 128
    """Most channels of the generator at any resolution."""
    discriminator_channels: Count = 64
    """Channels of each discriminator."""
    noise_strength: Annotated[float, Field(ge=0)] = 0.3
    """Weight of the noise at each resolution before training; 0.05 for flat regions, where any noise is seen."""
    learning_rate: Positive = 2e-3
    """Adam step of the generator."""
    discriminator_lr: Positive = 4e-3
    """Adam step of the discriminators. Set a tenth of it where they win from the beginning (`saturation`), as on flat
    drawn grains."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """First Adam moment; the second is 0.99."""
    layout_weight: Annotated[float, Field(ge=0)] = 5.0
    """Weight of the squared difference between an image's coarse grey values and those it was asked for."""
    contrast_weight: Annotated[float, Field(ge=0)] = 0.5
    """The same for how much its pixels, rows and columns differ within each of those places, in powers of ten."""


class DDPMSettings(AroundPictures):
    """Denoising diffusion (Ho et al. 2020; Nichol & Dhariwal 2021) with a fast sampler (Lu et al. 2022)."""

    draws_strips: ClassVar[bool] = True
    family: Literal["ddpm"]
    lr_warmup_images: Whole = 10_000
    """Images over which learning rates rise from zero."""
    patience: Count | None = 6
    """Stop after this many snapshots without a better held-out loss or KID; null never. Small sets are copied after
    a time proportional to their number."""
    patch: Annotated[Literal[1, 2, 4], Field(exclude_if=lambda side: side == 1)] = 1
    """Side, in pixels, of the squares that the network takes for one place, a channel each pixel (Luhman & Luhman
    2022): with 2 an image costs a third."""
    channels: Count = 64
    """Channels at full resolution, that of the squares."""
    multipliers: Annotated[list[Count], Field(min_length=1)] = [1, 2, 2, 4]
    """Factors of `channels`, one a resolution, each half the one before."""
    blocks: Count = 2
    """Residual blocks a resolution."""
    attention: list[Count] = [16, 8]
    """Sides (the shorter) of the features with self-attention."""
    heads: Count = 4
    """Heads of the attention."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the activations set to zero in a residual block."""
    learning_rate: Positive = 2e-4
    """Adam step."""
    noise_schedule: Literal["cosine", "linear"] = "cosine"
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
    # Said only where it is true, so that models without boxes from before there were any stay what they are.
    boxes: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Draw images with boxes: the network is shown where the boxes of a training image are, and draws defects where it
    is asked to. For data sets with boxes."""
    # Not that of `CoarsePictures`: in another place among the settings, finished models would count as changed.
    coarse_pictures: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """Draw around coarse pictures of the training images, grey values and contrasts in 8 x 8 places, as
    `projected_gan` does: far closer after minutes of training, but what is where is then a real image's, unless
    `coarse_pictures_from` says otherwise."""

    @property
    def draws_around(self) -> bool:
        return self.coarse_pictures

    @property
    def draws_boxes(self) -> bool:
        return self.boxes

    def faults(self) -> Iterator[str]:
        yield from super().faults()
        if self.boxes and self.coarse_pictures_from != "images":
            yield "boxes: true needs coarse_pictures_from: images; a distribution does not say where boxes are"


ModelSettings = Annotated[
    DCGANSettings
    | CGANSettings
    | WGANGPSettings
    | StyleGAN2ADASettings
    | DDPMSettings
    | ProjectedGANSettings
    | QuiltingSettings
    | WarpSettings,
    Field(discriminator="family"),
]

FAMILY_SETTINGS: dict[str, type[Training | Untrained]] = {
    get_args(c.model_fields["family"].annotation)[0]: c for c in get_args(get_args(ModelSettings)[0])
}
STYLED = tuple(name for name, of in FAMILY_SETTINGS.items() if of.has_styles)
STRIPS = tuple(name for name, of in FAMILY_SETTINGS.items() if of.draws_strips)
UNTRAINED = tuple(name for name, of in FAMILY_SETTINGS.items() if issubclass(of, Untrained))


def model_settings(values: dict[str, Any]) -> Training | Untrained:
    """The settings of one entry of `models`, in the class of its family."""
    return FAMILY_SETTINGS[values["family"]](**values)
