"""Settings that had another name: a configuration that uses the old one is told the new one."""

from __future__ import annotations

RENAMED = {
    "models": {
        "rate_decay": "lr_schedule",
        "rate_warmup": "lr_warmup_images",
        "generator_rate": "generator_lr",
        "discriminator_rate": "discriminator_lr",
        "critic_rate": "critic_lr",
        "ema_images": "ema_half_life_images",
        "schedule": "noise_schedule",
    },
    "evaluate": {"domain": "class_feature_steps"},
    "detect": {"seeds": "repetitions", "pilots": "selection_runs", "keep": "keep_fractions"},
}
"""New names by section and old name."""

GONE = {"evaluate": {"subset_size": "KID is taken of all images of a draw"}}
"""Settings that are none any more, by section, and why."""


def new_name(section: str, old: str) -> str | None:
    """What a setting of a section of the configuration (`models`, `all_models`, ...) is called now."""
    return RENAMED.get(section.removeprefix("all_"), {}).get(old)


def why_gone(section: str, old: str) -> str | None:
    """Why a setting of a section is none any more."""
    return GONE.get(section, {}).get(old)
