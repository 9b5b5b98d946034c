"""WGAN-GP beyond the contract: its penalty against float64, its estimate against a known distance."""

import pytest
import torch
from torch import nn

from pipeline.models import build, losses
from pipeline.models.batch import Batch
from pipeline.models.latent_vector_gan import Fake
from pipeline.models.layers import BatchNorm
from pipeline.settings import ImageSpec, WGANGPSettings
from tests.models.test_dcgan import shapes
from tests.models.test_stylegan2_ada import check_slopes
from tests.models.tiny import batch, spec, tiny_settings


def tiny(of=None, amp=None, **changes):
    torch.manual_seed(0)
    return build(tiny_settings("wgan_gp", **changes), of or spec(), amp)


def test_layers_and_parameters_at_the_default_settings():
    model = build(WGANGPSettings(family="wgan_gp"), ImageSpec(128, 128, 1, ("a",)))
    label = torch.zeros(1, dtype=torch.int64)
    dense, *rest = shapes(model.generator, torch.randn(1, 128), label)
    assert dense == (512 * 4 * 4,)
    assert rest == [(256, 8, 8), (128, 16, 16), (64, 32, 32), (32, 64, 64), (16, 128, 128), (1, 128, 128)]
    assert shapes(model.critic, torch.zeros(1, 1, 128, 128), label) == [
        *((32, 64, 64), (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)),
        (1,),
    ]
    assert sum(p.numel() for p in model.generator.parameters()) == 2_628_737
    assert sum(p.numel() for p in model.critic.parameters()) == 2_794_976
    assert not any(isinstance(layer, BatchNorm | nn.GroupNorm) for layer in model.modules())


def test_initial_weights_pass_signals_on():
    """What the initialisation is for: without normalisation, weights of N(0, 0.02) leave nothing of z in the images."""
    torch.manual_seed(0)
    model = build(WGANGPSettings(family="wgan_gp"), ImageSpec(64, 64, 1, ("a",)))
    labels = torch.zeros(8, dtype=torch.int64)
    with torch.no_grad():
        assert model.generator(torch.randn(8, 128), labels).std(0).mean() > 0.1
        assert 0.3 < model.critic(torch.randn(8, 1, 64, 64), labels).square().mean().sqrt() < 3
        for p in model.generator.parameters():
            p.normal_(0, 0.02) if p.ndim > 1 else p.zero_()
        assert model.generator(torch.randn(8, 128), labels).std(0).mean() < 0.01


@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_score_depends_on_its_own_image_alone_and_is_unbounded(layer_norm):
    critic = tiny(layer_norm=layer_norm).critic
    images, labels = batch(spec())
    together = critic(images, labels)
    torch.testing.assert_close(critic(images[1:2], labels[1:2])[0], together[1])
    with torch.no_grad():
        critic.linear.weight.mul_(1000)
    torch.testing.assert_close(critic(images, labels), 1000 * together, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_penalty_of_the_critic_against_float64(layer_norm):
    """Layer normalisation too must be differentiable twice."""
    images, labels = batch(spec())
    nets = [tiny(layer_norm=layer_norm).critic for _ in range(2)]
    nets[1].double()

    def penalty(net, x):
        x = x.clone().requires_grad_()
        return losses.gradient_penalty(losses.gradient_norms(x, net(x, labels))).mean()

    # The biases behind the last kink change no slope; at the others a step of 1e-6 crosses none.
    fast = torch.autograd.grad(penalty(nets[0], images), list(nets[0].parameters()), allow_unused=True)
    check_slopes(lambda: penalty(nets[1], images.double()), list(nets[1].parameters()), fast)


def test_points_of_the_penalty_lie_between_real_and_generated_images(monkeypatch):
    model = tiny()
    images, labels = batch(spec())
    seen = []
    monkeypatch.setattr(losses, "gradient_norms", lambda x, scores: seen.append(x) or scores)
    part = next(iter(Batch(images, labels, 0).microbatches()))
    fake = torch.full_like(images, 3.0)
    model._gradient_norms(part, fake)
    share = ((seen[0] - images) / (fake - images)).flatten(1)
    torch.testing.assert_close(share, share[:, :1].expand_as(share), atol=1e-5, rtol=0)  # one number an image
    assert share.min() > 0
    assert share.max() < 1
    assert share[:, 0].std() > 0.1


def test_penalty_is_in_single_precision_whatever_the_networks_are_in():
    images, labels = batch(spec())
    norms = []
    for amp in (None, torch.bfloat16):
        model = tiny(amp=amp)
        part = next(iter(Batch(images, labels, 0).microbatches()))
        norms.append(model._gradient_norms(part, images.flip(0)))
    assert norms[1].dtype == torch.float32
    assert torch.equal(*norms)


def test_critic_steps_see_the_same_images_with_other_latents():
    model = tiny(critic_steps=3)
    images, labels = batch(spec())
    latents, judged = [], []
    model.generator.register_forward_pre_hook(lambda _, args: latents.append(args[0]))
    model.critic.register_forward_pre_hook(lambda _, args: judged.append(args[0]))
    model.update(Batch(images, labels, 0))
    counts = {name: int(o.state[o.param_groups[0]["params"][0]]["step"]) for name, o in model.optimizers.items()}
    assert counts == {"D": 3, "G": 1}
    assert len(latents) == 4
    assert all(not torch.equal(a, b) for i, a in enumerate(latents) for b in latents[:i])
    assert sum(torch.equal(x, images) for x in judged) == 3


def test_estimate_of_a_known_distance(monkeypatch):
    """All real images lie at one point and all generated ones at another, W apart. The best critic rises with slope s
    from one to the other, and -W s + λ (s - 1)² is least at s = 1 + W / 2λ: the estimate is W s."""
    model = tiny(spec(classes=1), channels=8, penalty=10.0, critic_lr=3e-3, beta1=0.5, lr_schedule="none")
    labels = torch.zeros(4, dtype=torch.int64)
    direction = torch.randn(1, 1, 16, 16)
    real = (0.5 * direction / direction.norm()).expand(4, -1, -1, -1)
    monkeypatch.setattr(model, "_fake", lambda part: Fake(-real[: len(part)], None))
    logs = [model.optimizer_step("D", model._critic_loss, Batch(real, labels, i)) for i in range(220)]
    log = {name: sum(x[name].item() for x in logs[-20:]) / 20 for name in logs[-1]}
    distance, slope = 1.0, 1 + 1.0 / 20
    assert log["gradient_norm"] == pytest.approx(slope, abs=0.01)
    assert log["wasserstein"] == pytest.approx(distance * slope, abs=0.02)
    assert log["loss/D"] == pytest.approx(-distance * slope + 10 * (slope - 1) ** 2, abs=0.02)
    assert log["logit/real"] - log["logit/fake"] == pytest.approx(log["wasserstein"], abs=1e-5)


def test_papers_rates_and_their_decay():
    """Two time scales, and half a cosine down to 0 at the end of the training (halfway: half)."""
    model = tiny(total_images=8)
    rates = []
    for i in range(3):
        model.update(Batch(*batch(spec()), i))
        rates.append([model.optimizers[name].param_groups[0]["lr"] for name in "GD"])
    assert rates[0] == [1e-4, 4e-4]
    assert rates[1] == pytest.approx([0.5e-4, 2e-4])
    assert rates[2] == pytest.approx([0, 0], abs=1e-12)
    assert model.optimizers["D"].param_groups[0]["betas"] == (0.0, 0.9)


def test_an_unbounded_critic_is_never_called_certain():
    assert "saturation" not in tiny().update(Batch(*batch(spec()), 0))
