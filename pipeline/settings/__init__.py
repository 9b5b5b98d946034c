"""Every setting: its type, default, bounds and one-line meaning. Imports neither torch nor anything of the package."""

from pipeline.settings.basics import DEVICES, METHOD, ImageSpec, Strict, UserError
from pipeline.settings.datasets import HDF5, Boxes, Dataset, Labels, Patches, Scaling, Split, Voronoi, placed, placeless
from pipeline.settings.families import (
    FAMILY_SETTINGS,
    FEWEST,
    STRIPS,
    STYLED,
    UNTRAINED,
    AroundPictures,
    CGANSettings,
    CoarsePictures,
    DCGANSettings,
    DDPMSettings,
    HeldOut,
    ProjectedGANSettings,
    QuiltingSettings,
    StyleGAN2ADASettings,
    Texture,
    Training,
    Untrained,
    WarpSettings,
    WGANGPSettings,
    model_settings,
)
from pipeline.settings.loading import Settings, load, schema
from pipeline.settings.shots import Family, FewShots, draws_of, families
from pipeline.settings.stages import (
    Blend,
    Card,
    Detect,
    DetectAnomalies,
    DetectBoxes,
    Evaluate,
    Gallery,
    Generate,
    Interpolation,
    Mixing,
    Strips,
    Sweep,
    gallery_of,
    generate_of,
    teacher_of,
)
