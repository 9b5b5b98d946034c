# %% [markdown]
# # Drawing from a trained model
#
# Images of chosen classes and seeds, more typical ones by truncation, and files to take away. Run the default
# experiment first (`make demo`), or set `MODEL` to the folder of a model of yours, or to a snapshot of NVIDIA's
# StyleGAN2 (`*.pkl`).

# %%
from pathlib import Path

import matplotlib.pyplot as plt

import pyrite

MODEL = "results/polycrystals/cgan/seed-0"
OUT = Path("drawn")

model = pyrite.load(MODEL)
print(f"{model.family}: {model.shape} images of {', '.join(model.classes)}")


# %%
def sheet(rows, names):
    """Rows of images with a name each."""
    _, axes = plt.subplots(len(rows), len(rows[0]), squeeze=False, figsize=(1.2 * len(rows[0]), 1.3 * len(rows)))
    for axis in axes.flat:
        axis.axis("off")
    for images, name, row in zip(rows, names, axes, strict=True):
        row[0].set_title(name, loc="left", fontsize=8)
        for image, axis in zip(images, row, strict=True):
            axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255 if image.dtype == "uint8" else 65535)
    plt.show()


# %% [markdown]
# A row of each class. The same seed and number is the same image, always.

# %%
sheet([model.sample(6, seed=0, label=name) for name in model.classes], model.classes)

# %% [markdown]
# Truncation, for models with styles: towards the mean of the class, more typical and less varied.

# %%
if model.family == "stylegan2_ada":
    steps = (0.4, 0.7, 1.0)
    sheet([model.sample(6, label=model.classes[0], truncation=t) for t in steps], [f"truncation {t}" for t in steps])
else:
    print(f"{model.family} has no styles to truncate")

# %% [markdown]
# Files, in the type and the range of values of the training images. Each says in its metadata that it is synthetic.

# %%
for name in model.classes:
    model.save(OUT / name, 3, seed=1, label=name)
print(*sorted(path.as_posix() for path in OUT.rglob("*.tif")), sep="\n")
