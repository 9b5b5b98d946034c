"""Which families can what: the table of the settings, the classes, and the refusals."""

import pytest
import torch

from pipeline.models import FAMILIES
from pipeline.models.base import DrawsStrips, StyledModel
from pipeline.sampling.abilities import styled, wide
from pipeline.sampling.truncation import draw_truncated
from pipeline.settings import STRIPS, STYLED, Gallery, Generate, UserError, gallery_of, generate_of, load
from tests.sampling.fakes import Endless, Plain, Styled


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_agrees_with_the_classes(family):
    assert (family in STYLED) == issubclass(FAMILIES[family], StyledModel)
    assert (family in STRIPS) == issubclass(FAMILIES[family], DrawsStrips)


def test_refusals_say_who_can():
    with pytest.raises(UserError, match=r"^gallery.mixing: `cgan` has no styles; families that have: stylegan2_ada$"):
        styled(Plain(), "gallery.mixing")
    with pytest.raises(UserError, match=r"^gallery.strips: `cgan` draws .* of any width: stylegan2_ada, ddpm$"):
        wide(Plain(), "gallery.strips")
    with pytest.raises(UserError, match=r"^generate.truncation: 0.7: `cgan` has no styles"):
        draw_truncated(Plain(), torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), 0.7, 8)
    assert isinstance(styled(Styled(), "x"), Styled)
    assert isinstance(wide(Endless(1), "x"), Endless)


def test_a_gallery_is_cut_to_what_the_family_can():
    full = Gallery()
    assert gallery_of(full, "stylegan2_ada") == full
    assert gallery_of(full, "ddpm") == full.model_copy(update={"sweep": None, "mixing": None, "directions": False})
    assert gallery_of(full, "cgan").interpolation == full.interpolation
    assert gallery_of(full, "cgan").strips is None
    assert gallery_of(Gallery(interpolation=None), "cgan") is None


def test_truncation_concerns_families_with_styles_only():
    assert generate_of(Generate(truncation=0.7), "stylegan2_ada").truncation == 0.7
    assert generate_of(Generate(truncation=0.7, seed=3), "cgan") == Generate(seed=3)


def test_truncation_that_no_model_can_is_refused():
    config = {"datasets": {"steel": {"source": "x", "size": 64}}, "generate": {"truncation": 0.7}}
    with pytest.raises(UserError, match=r"generate.truncation: 0.7 cannot be had, no model has styles"):
        load(config | {"models": {"plain": {"family": "cgan"}}})
    both = {"plain": {"family": "cgan"}, "styled": {"family": "stylegan2_ada"}}
    assert load(config | {"models": both}).generate.truncation == 0.7


def test_a_wrong_name_in_a_section_that_may_be_null_is_named():
    config = {"datasets": {"steel": {"source": "x", "size": 64}}, "models": {"cgan": {"family": "cgan"}}}
    with pytest.raises(UserError, match=r"gallery.sweep.truncation: unknown setting; did you mean `truncations`\?"):
        load(config | {"gallery": {"sweep": {"truncation": [0.5]}}})
