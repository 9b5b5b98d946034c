# %% [markdown]
# # Looking at a data set, and at what a model makes of it
#
# How many images there are, how they look, their gray values, and how far synthetic images are from them, beside the
# floor: what real images that no model has seen score.

# %%
import matplotlib.pyplot as plt
import numpy as np

import pyrite

REAL = "results/polycrystals/real"
MODEL = "results/polycrystals/cgan/seed-0"

real, model = pyrite.open_images(REAL), pyrite.load(MODEL)
print(real.metadata.groupby(["label", "split"]).size().unstack(fill_value=0))

# %% [markdown]
# Examples of each class, real (left) and synthetic (right).

# %%
classes = real.spec.classes
figure, axes = plt.subplots(len(classes), 8, squeeze=False, figsize=(9, 1.3 * len(classes)))
for row, name in zip(axes, classes, strict=True):
    chosen = np.flatnonzero(real.labels == classes.index(name))[:4]
    images = [*real.images[chosen], *model.sample(4, label=name)]
    for axis, image in zip(row, images, strict=False):
        axis.imshow(image.squeeze(), cmap="gray")
    row[0].set_title(name, loc="left", fontsize=8)
for axis in axes.flat:
    axis.axis("off")
plt.show()

# %% [markdown]
# Gray values: a model that is too dark, or has too little contrast, shows here first.

# %%
drawn = model.sample(200)
top = np.iinfo(drawn.dtype).max
for name, images in (("real", real.images[real.rows("train")]), ("synthetic", drawn)):
    plt.hist(np.asarray(images).ravel() / top, bins=64, range=(0, 1), density=True, histtype="step", label=name)
plt.xlabel("gray value, 0 black, 1 white")
plt.legend()
plt.show()

# %% [markdown]
# Distances, and the floor beside them. A number within the floor's own spread says nothing against the model; the
# report of a run has intervals.

# %%
train, test = (real.images[real.rows(split)] for split in ("train", "test"))
n = len(test)
floor, found = pyrite.measure(test, train), pyrite.measure(model.sample(n), train)
for name in floor:
    print(f"{name:10} real {floor[name]:8.3f}   {model.family} {found[name]:8.3f}")
