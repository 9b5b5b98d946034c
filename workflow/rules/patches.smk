rule cut_patches:
    input:
        lambda w: expand(REAL + BOXES, dataset=SETTINGS.datasets[w.dataset].patches_of),
    output:
        REAL,
        rejected=f"<results>/{places.REAL}/rejected.csv",
        preview=report(
            f"<results>/{places.REAL}/preview.png",
            caption="../report/patches.rst",
            category="{dataset}",
            labels={"figure": "patches of defects", "model": "-"},
        ),
    log:
        "<results>/logs/{dataset}/cut_patches.log",
    benchmark:
        "<results>/benchmarks/{dataset}/prepare.tsv"
    wildcard_constraints:
        dataset=either(PATCHES.values()),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **asked(of_reading),
    params:
        method=METHOD["cut_patches"],
        settings=lambda w: SETTINGS.datasets[w.dataset].model_dump(
            include={"patches_of", "patches", "size"}
        ),
    script:
        "../scripts/cut_patches.py"


rule blend:
    input:
        real=REAL,
        boxes=BOXES,
        patches=lambda w: expand(
            SYNTHETIC, dataset=PATCHES[w.dataset], model=w.model, seed=w.seed
        ),
    output:
        [f"{RUN}/blended/{name}" for name in IMAGE_SET + BOX_FILES],
        samples=report(
            f"{RUN}/blended/samples.png",
            caption="../report/blended.rst",
            category="{dataset}",
            labels={
                "figure": "real images with synthetic defects",
                "model": "{model}, seed {seed}",
            },
        ),
    log:
        "<results>/logs/{dataset}/{model}-s{seed}/blend.log",
    benchmark:
        "<results>/benchmarks/{dataset}/{model}-s{seed}/blend.tsv"
    wildcard_constraints:
        dataset=either(PATCHES),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **asked(of_reading),
    params:
        method=METHOD["blend"],
        settings=SETTINGS.blend.model_dump(),
        patches=lambda w: SETTINGS.datasets[PATCHES[w.dataset]].patches.model_dump(),
        journal=journal(f"{places.RUN}/blend"),
        dataset=lambda w: PATCHES[w.dataset],
    script:
        "../scripts/blend.py"
