"""NVIDIA's snapshots in our networks: the images, truncated images and logits of a second implementation."""

import re

import pytest
import torch
import torch.nn.functional as F

from pipeline.base.colour import LUMA
from pipeline.models import build
from pipeline.models.stylegan2_snapshot import open_snapshot
from pipeline.models.transfer import Source, adopt
from pipeline.settings import StyleGAN2ADASettings, UserError
from pipeline.training.transfer import Start, snapshot_model
from tests.models import nvidia
from tests.models.tiny import spec, tiny_settings

N = 3
LOST = "most of the advantage is lost until it has learnt"


def written(tmp_path, *args, **options):
    nets = nvidia.networks(*args, **options)
    return nets, nvidia.write(tmp_path / "network-snapshot-001000.pkl", nets)


def inputs(model, classes=1):
    """Latents, labels and noise for ours, and the same for theirs."""
    rng = torch.Generator().manual_seed(1)
    flat = torch.randn(N, model.latent_length, generator=rng)
    labels = torch.arange(N) % classes
    noise = [n for n in model.ema.synthesis.split_noise(flat[:, 8:]) if n is not None]
    return (flat[:, :8], labels, flat[:, 8:]), (flat[:, :8], F.one_hot(labels, classes).double(), noise)


def photographs(channels, size):
    return torch.rand(N, channels, size, size, generator=torch.Generator().manual_seed(2)) * 2 - 1


def close(ours, theirs):
    """To a hundred-thousandth of the largest."""
    torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-5 * max(1.0, theirs.abs().max().item()))


def model_for(of, **changes):
    torch.manual_seed(5)
    return build(tiny_settings("stylegan2_ada", discriminator_mapping_layers=8, **changes), of)


@torch.no_grad()
@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(("classes", "channels", "size", "layers"), [(3, 1, 16, 2), (0, 3, 32, 8)])
def test_images_truncated_images_and_logits_are_those_of_the_paper(tmp_path, classes, channels, size, layers, protocol):
    nets = nvidia.networks(classes, channels, size, layers)
    model = snapshot_model(nvidia.write(tmp_path / "s.pkl", nets, protocol))
    ours, theirs = inputs(model, max(1, classes))
    for psi in (1.0, 0.6, 0.0):
        close(model.ema(*ours, psi), nets["G_ema"](*theirs, psi))
    close(model.generator(*ours), nets["G"](*theirs))
    images = photographs(channels, size)
    close(model.discriminator(images, ours[1]), nets["D"](images, theirs[1]))
    assert nets["D"](images, theirs[1]).std() > 1e-4
    assert (nets["G"](*theirs) - nets["G_ema"](*theirs)).abs().max() > 0.1


@torch.no_grad()
@pytest.mark.parametrize(
    ("classes", "residual", "group", "n"), [(3, True, 4, 8), (0, False, 32, 6), (3, False, None, 5)]
)
def test_logits_of_more_images_than_a_group_and_of_plain_blocks(tmp_path, classes, residual, group, n):
    """Plain blocks and groups of 32 are those of NVIDIA's weights of CIFAR-10."""
    nets, path = written(tmp_path, classes, 3, 32, residual=residual, group=group)
    model = snapshot_model(path)
    labels = torch.arange(n) % max(1, classes)
    images = torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    close(model.discriminator(images, labels), nets["D"](images, F.one_hot(labels).double()))
    assert model.settings.discriminator_residual == residual


@torch.no_grad()
def test_styles_that_are_truncated_in_the_coarse_layers_alone(tmp_path):
    """NVIDIA's `truncation_cutoff`: our styles have the same layers in the same order."""
    nets, path = written(tmp_path, 3, 1, 16)
    model = snapshot_model(path)
    (z, labels, flat), theirs = inputs(model, 3)
    whole, truncated = (model.styles(labels, z, psi) for psi in (1.0, 0.5))
    assert whole.shape[1] == 2 * 3  # `num_ws` of 16 pixels: one a convolution, and one for the last image
    styles = torch.cat([truncated[:, :2], whole[:, 2:]], 1)
    close(model.ema.synthesis(styles, model.ema.synthesis.split_noise(flat)), nets["G_ema"](*theirs, 0.5, cutoff=2))


def test_the_settings_that_take_all_of_a_file(tmp_path):
    _, path = written(tmp_path, 3, 1, 32)
    settings = open_snapshot(path).settings()
    assert settings == {
        "z_dim": 8,
        "w_dim": 8,
        "mapping_layers": 2,
        "discriminator_mapping_layers": 8,
        "channel_base": 128,
        "channel_max": 16,
    }
    assert adopted(path, build(StyleGAN2ADASettings(family="stylegan2_ada", **settings), spec(32))).anew == ()


def adopted(path, model):
    return Start.of(path).give(model)


def warnings_of(outcome):
    return [line for line in outcome.lines() if "WARNING" in line]


@torch.no_grad()
def test_each_of_several_classes_begins_as_a_network_without_any(tmp_path):
    nets, path = written(tmp_path, 0, 1, 16)
    model = model_for(spec(16, classes=3))
    outcome = adopted(path, model)
    assert outcome.anew == ("discriminator.embedding", "discriminator.mapping", "generator.mapping.embedding")
    ours, theirs = inputs(model, 3)
    close(model.ema(*ours, 0.7), nets["G_ema"](*theirs, 0.7))
    images = photographs(1, 16)
    close(model.discriminator(images, ours[1]), nets["D"](images, theirs[1]))


def test_another_number_of_classes_starts_their_vectors_anew(tmp_path):
    _, path = written(tmp_path, 4, 1, 16)
    model = model_for(spec(16, classes=3))
    before = model.generator.mapping.embedding.weight.clone()
    outcome = adopted(path, model)
    assert outcome.anew == ("discriminator.embedding", "generator.mapping.embedding")
    assert torch.equal(model.generator.mapping.embedding.weight, before)


@torch.no_grad()
def test_colour_becomes_gray_and_gray_colour(tmp_path):
    nets, path = written(tmp_path, 2, 3, 16)
    model = model_for(spec(16, classes=2))
    assert adopted(path, model).anew == ()
    ours, theirs = inputs(model, 2)
    luma = torch.tensor(LUMA, dtype=torch.float64)
    close(model.ema(*ours), torch.einsum("c,nchw->nhw", luma, nets["G_ema"](*theirs))[:, None])
    gray = photographs(1, 16)
    close(model.discriminator(gray, ours[1]), nets["D"](gray.expand(-1, 3, -1, -1), theirs[1]))

    nets, path = written(tmp_path, 2, 1, 16)
    model = model_for(spec(16, channels=3, classes=2))
    assert adopted(path, model).anew == ()
    close(model.ema(*ours), nets["G_ema"](*theirs).expand(-1, 3, -1, -1))
    colour = photographs(3, 16)
    gray = torch.einsum("c,nchw->nhw", luma, colour.double())[:, None]
    close(model.discriminator(colour, ours[1]), nets["D"](gray, theirs[1]))


@torch.no_grad()
def test_larger_and_smaller_images(tmp_path):
    """Up: the image of before, enlarged, is in the new one's sum, whose last block is new. Down: the image that the
    coarser blocks have made. Blocks of a discriminator stay with their resolution."""
    nets, path = written(tmp_path, 2, 1, 32)
    smaller = model_for(spec(16, classes=2))
    assert adopted(path, smaller).anew == ("discriminator.image",)
    ours, theirs = inputs(smaller, 2)
    theirs[2].extend([torch.zeros(N, 1, 32, 32)] * 2)  # noise of the block that is gone
    synthesis = nets["G_ema"].synthesis
    synthesis.sides.remove(32)
    close(smaller.ema(*ours), nets["G_ema"](*theirs))
    assert torch.equal(smaller.discriminator.blocks[0].down.weight, nets["D"].b16.conv1.weight)

    larger = model_for(spec(64, classes=2))
    fresh = larger.generator.synthesis.blocks[3].up.conv.conv.weight.clone()
    outcome = adopted(path, larger)
    assert outcome.anew == ("discriminator.blocks.0", "discriminator.image", "generator.synthesis.blocks.3")
    assert torch.equal(larger.generator.synthesis.blocks[3].up.conv.conv.weight, fresh)
    assert torch.equal(larger.discriminator.blocks[1].down.weight, nets["D"].b32.conv1.weight)
    assert torch.equal(larger.ema.synthesis.blocks[2].same.bias, nets["G_ema"].synthesis.b32.conv1.bias)


def test_settings_that_keep_something_out_are_named(tmp_path):
    """A mapping network of another depth is no beginning of one: nothing of it is taken."""
    _, path = written(tmp_path, 2, 1, 16, layers=4)
    outcome = adopted(path, model_for(spec(16, classes=2), channel_max=8, mapping_layers=2))
    assert "channel_max: 16, here 8" in outcome.settings
    assert "mapping_layers: 4, here 2" in outcome.settings
    assert {"generator.mapping.layers", "generator.mapping.w_average"} <= set(outcome.anew)
    with pytest.raises(UserError, match=r"nothing of it fits this model .*w_dim: 8, here 6"):
        adopt(model_for(spec(16), w_dim=6), Source(spec(16), {}, open_snapshot(path).settings()))


def test_a_mapping_of_the_discriminator_is_said_with_its_setting(tmp_path):
    _, path = written(tmp_path, 3, 1, 16)
    outcome = adopted(path, build(tiny_settings("stylegan2_ada"), spec(16, classes=3)))
    assert outcome.anew == ("discriminator.mapping",)
    assert outcome.settings == ("discriminator_mapping_layers: 8, here null",)


def test_networks_with_holes_are_named(tmp_path):
    nets = nvidia.networks(2, 1, 16)
    del nets["G"].mapping.fc1.bias
    with pytest.raises(UserError, match=r"networks are not whole \('mapping.fc1.bias'\)"):
        adopted(nvidia.write(tmp_path / "s.pkl", nets), model_for(spec(16, classes=2)))


def test_a_file_without_discriminator_gives_its_generator(tmp_path):
    nets = nvidia.networks(0, 1, 16)
    path = nvidia.write(tmp_path / "s.pkl", {"G": None, "D": None, "G_ema": nets["G_ema"]})
    model = model_for(spec(16, classes=1))
    assert adopted(path, model).anew == ("discriminator", "generator.mapping.embedding")
    assert torch.equal(model.generator.synthesis.constant, nets["G_ema"].synthesis.b4.const)


def test_other_architectures_are_named(tmp_path):
    nets = nvidia.networks(0, 1, 16)
    del nets["G_ema"].synthesis.b8.torgb
    with pytest.raises(UserError, match="none with skip connections, see its block of 8 pixels"):
        open_snapshot(nvidia.write(tmp_path / "orig.pkl", nets))
    nets = nvidia.networks(0, 1, 16)
    nets["G_ema"].mapping.fc1 = nvidia.FullyConnectedLayer(8, 12)
    with pytest.raises(UserError, match="mapping network is not 8 wide throughout, see its `fc1`"):
        open_snapshot(nvidia.write(tmp_path / "waist.pkl", nets))
    del nets["G_ema"].synthesis.b4.const
    with pytest.raises(UserError, match=r"`Generator` is no generator of StyleGAN2, `synthesis\.b4\.const` is missing"):
        open_snapshot(nvidia.write(tmp_path / "stylegan3.pkl", nets))
    with pytest.raises(UserError, match="no network `G_ema`"):
        open_snapshot(nvidia.write(tmp_path / "other.pkl", {}))


@pytest.mark.parametrize(
    ("place", "attribute", "value", "said"),
    [
        ("mapping.fc1", "bias_gain", 0.1, r"`bias_gain` of `mapping\.fc1` is 0\.1, here 0\.01 in a mapping"),
        ("synthesis.b8.conv0.affine", "bias_gain", 0.01, r"`synthesis\.b8\.conv0\.affine` is 0\.01"),
        ("synthesis.b16.conv1", "activation", "relu", r"`activation` of `synthesis\.b16\.conv1` is 'relu', here lrelu"),
        ("synthesis.b16.conv1", "conv_clamp", 8, "`conv_clamp` of .* is 8, here none, or one from 256 on"),
        ("synthesis.b8.conv0", "resample_filter", torch.ones(3, 3) / 9, r"is \[0\.1111, .*that of \[1, 3, 3, 1\]"),
    ],
)
def test_a_generator_of_other_formulas_is_refused_by_the_layer_that_has_them(tmp_path, place, attribute, value, said):
    nets = nvidia.networks(0, 1, 16)
    setattr(nets["G_ema"].get_submodule(place), attribute, value)
    with pytest.raises(UserError, match=f"its generator computes otherwise than stylegan2_ada does: .*{said}"):
        open_snapshot(nvidia.write(tmp_path / "s.pkl", nets))


def half_residual(nets):
    del nets["D"].b8.skip


def looking_everywhere(nets):
    nets["D"].b8.fromrgb = nvidia.Conv2dLayer(1, 16, 1)


def without_blocks(nets):
    del nets["D"].b8, nets["D"].b16


def of_wide_deviations(nets):
    nets["D"].b4.conv = nvidia.Conv2dLayer(18, 16, 3)


def of_short_vectors(nets):
    nets["D"].b4.out = nvidia.FullyConnectedLayer(16, 4)


def of_two_deviations(nets):
    nets["D"].b4.num_channels = 2


def of_another_filter(nets):
    nets["D"].b8.conv1.resample_filter = torch.ones(3, 3) / 9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (half_residual, "some of its blocks are residual and others not"),
        (looking_everywhere, "it looks at the image in some of its sizes and not in others"),
        (without_blocks, "it has no blocks"),
        (of_wide_deviations, "its last block has 2 channels of the minibatch's deviation, here 0 or 1"),
        (of_short_vectors, "its network of the classes is not 4 wide throughout, see its `embed`"),
        (of_two_deviations, "`num_channels` of `b4` is 2, here 1"),
        (of_another_filter, f"`resample_filter` of `b8.conv1` is {[0.1111] * 4}, here that of [1, 3, 3, 1]"),
    ],
)
@torch.no_grad()
def test_of_a_file_with_another_discriminator_the_generator_is_taken(tmp_path, change, said):
    nets = nvidia.networks(3, 1, 16)
    change(nets)
    path = nvidia.write(tmp_path / "s.pkl", nets)
    left_out = f"its discriminator is left out: {said}"
    with pytest.warns(UserWarning, match=re.escape(f"{path}: {left_out}; images are as")) as caught:
        model = snapshot_model(path)
    assert len(caught) == 1
    ours, theirs = inputs(model, 3)
    close(model.ema(*ours, 0.5), nets["G_ema"](*theirs, 0.5))
    outcome = adopted(path, model_for(spec(16, classes=3)))
    assert outcome.anew == ("discriminator",)
    assert warnings_of(outcome) == [f"WARNING: {left_out}; it starts anew, and {LOST}"]


def test_plain_blocks_are_taken_where_the_settings_ask_for_them(tmp_path):
    _, path = written(tmp_path, 3, 1, 16, residual=False)
    outcome = adopted(path, model_for(spec(16, classes=3)))
    assert outcome.anew == ("discriminator",)
    (said,) = warnings_of(outcome)
    assert "its discriminator is left out: it is that of `discriminator_residual: false`; it starts anew" in said
    outcome = adopted(path, model_for(spec(16, classes=3), discriminator_residual=False))
    assert (outcome.anew, warnings_of(outcome)) == ((), [])


ODD = {"skips": True, "residual": False, "deviation": 0, "vector": 5}


@torch.no_grad()
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(
    ("judge", "settings"),
    [
        ({"skips": True, "residual": False}, {"discriminator_skips": True, "discriminator_residual": False}),
        ({"deviation": 0}, {"discriminator_deviation": False}),
        ({"vector": 5}, {"discriminator_class_width": 5}),
        ({"vector": 24}, {"discriminator_class_width": 24}),
        (ODD, None),
    ],
)
def test_logits_of_other_discriminators(tmp_path, judge, settings, classes):
    """Shown the image at every size, without the deviation of a minibatch, with other vectors of the classes."""
    nets, path = written(tmp_path, classes, 3, 16, **judge)
    model = snapshot_model(path)
    labels = torch.arange(8) % max(1, classes)
    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    theirs = nets["D"](images, F.one_hot(labels).double())
    assert theirs.std() > 1e-4
    close(model.discriminator(images, labels), theirs)
    found = {name: value for name, value in open_snapshot(path).settings().items() if name in (settings or {})}
    expected = dict(settings or {})
    if not classes:
        expected.pop("discriminator_class_width", None)
    assert found == expected


def test_a_discriminator_that_sees_the_image_at_every_size_learns_all_its_layers():
    """Of an image twice as wide as high, second derivatives (R1) too."""
    of = spec(16, channels=3)._replace(width=32)
    judge = model_for(of, discriminator_skips=True, discriminator_deviation=False, discriminator_class_width=5)
    judge = judge.discriminator
    images = torch.randn(N, 3, 16, 32, requires_grad=True)
    logits = judge(images, torch.arange(N), recompute=True)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    (logits.sum() + gradient.square().sum()).backward()
    assert all(weight.grad.abs().max() > 0 for weight in judge.parameters())


def test_a_training_names_the_settings_that_take_an_odd_discriminator(tmp_path):
    nets, path = written(tmp_path, 3, 1, 16, **ODD)
    (said,) = warnings_of(adopted(path, model_for(spec(16, classes=3))))
    switches = "`discriminator_residual: false`, `discriminator_skips: true`, `discriminator_deviation: false`"
    assert f"its discriminator is left out: it is that of {switches}; it starts anew" in said
    chosen = {"discriminator_residual": False, "discriminator_skips": True, "discriminator_deviation": False}
    outcome = adopted(path, model_for(spec(16, classes=3), **chosen))
    assert outcome.anew == ("discriminator.embedding", "discriminator.features", "discriminator.mapping")
    assert any("discriminator_class_width: 5, here null" in line for line in outcome.lines())
    model = model_for(spec(16, classes=3), **chosen, discriminator_class_width=5)
    outcome = adopted(path, model)
    assert (outcome.anew, warnings_of(outcome)) == ((), [])
    assert torch.equal(model.discriminator.images[0].weight, nets["D"].b8.fromrgb.weight)


@torch.no_grad()
def test_what_sees_the_image_stays_with_its_size_where_it_is_shown_at_every_one(tmp_path):
    nets, path = written(tmp_path, 2, 3, 32, skips=True, residual=False)
    shown = {"discriminator_skips": True, "discriminator_residual": False}
    larger = model_for(spec(64, classes=2, channels=3), **shown)
    anew = ("discriminator.blocks.0", "discriminator.image", "generator.synthesis.blocks.3")
    assert adopted(path, larger).anew == anew
    assert torch.equal(larger.discriminator.images[0].weight, nets["D"].b32.fromrgb.weight)
    assert torch.equal(larger.discriminator.images[3].bias, nets["D"].b4.fromrgb.bias)
    smaller = model_for(spec(16, classes=2, channels=3), **shown)
    assert adopted(path, smaller).anew == ()
    labels, images = torch.arange(N) % 2, photographs(3, 16)
    judge = nets["D"]
    judge.sides.remove(32)
    close(smaller.discriminator(images, labels), judge(images, F.one_hot(labels).double()))
    gray = model_for(spec(16, classes=2), **shown)
    adopted(path, gray)
    one = photographs(1, 16)
    close(gray.discriminator(one, labels), judge(one.expand(-1, 3, -1, -1), F.one_hot(labels).double()))


def test_networks_larger_than_ours_may_be_are_said(tmp_path):
    _, path = written(tmp_path, 0, 1, 16, layers=12)
    with pytest.raises(UserError, match=r"larger than those of stylegan2_ada may be \(mapping_layers: 12, "):
        snapshot_model(path)
