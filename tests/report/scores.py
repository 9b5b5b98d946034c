"""Scores of generators and references, made up."""

from pipeline.report.tables import FLOOR, Reference, Score


def score(value, half=0.1, n=60, seeds=1):
    return Score(value, value - half, value + half, n, seeds)


def frechet(**models):
    references = {"real": FLOOR, "noise": Reference("noise baseline", "noise")}
    return {(references.get(name, name), "random", "frechet", None): s for name, s in models.items()}
