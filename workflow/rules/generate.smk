rule generate:
    input:
        real=REAL,
        model=[f"{RUN}/{places.WEIGHTS}", f"{RUN}/{places.RECIPE}"],
    output:
        SYNTHETIC,
        export=directory(f"{RUN}/synthetic/export"),
        samples=report(
            f"{RUN}/synthetic/samples.png",
            caption="../report/samples.rst",
            category="{dataset}",
            labels={"figure": "synthetic images", "model": "{model}, seed {seed}"},
        ),
    log:
        "<results>/logs/{dataset}/{model}-s{seed}/generate.log",
    benchmark:
        "<results>/benchmarks/{dataset}/{model}-s{seed}/generate.tsv"
    wildcard_constraints:
        model=either(DRAW_NONE),
    conda:
        ENVIRONMENT
    threads: lambda w: 1 if w.model in WITHOUT_TRAINING else 8
    resources:
        gpu=lambda w: 0 if w.model in WITHOUT_TRAINING else 1,
        mem_mb=8000,
        runtime=240,
    params:
        method=METHOD["generate"],
        settings=lambda w: generate_of(
            SETTINGS.generate, FAMILIES[w.model]
        ).model_dump(),
        journal=journal(f"{places.RUN}/generate"),
    script:
        "../scripts/generate.py"


use rule generate as generate_boxed with:
    output:
        SYNTHETIC,
        [f"{RUN}/synthetic/{name}" for name in BOX_FILES],
        export=directory(f"{RUN}/synthetic/export"),
        samples=report(
            f"{RUN}/synthetic/samples.png",
            caption="../report/samples.rst",
            category="{dataset}",
            labels={"figure": "synthetic images", "model": "{model}, seed {seed}"},
        ),
        boxes=report(
            f"{RUN}/synthetic/boxes.png",
            caption="../report/asked_boxes.rst",
            category="{dataset}",
            labels={"figure": "boxes asked for", "model": "{model}, seed {seed}"},
        ),
    wildcard_constraints:
        model=either(DRAW_BOXES),


rule gallery:
    input:
        model=[f"{RUN}/{places.WEIGHTS}", f"{RUN}/{places.RECIPE}"],
    output:
        report(
            directory(GALLERY),
            patterns=["{figure}.png", "{figure}.gif"],
            caption="../report/gallery.rst",
            category="{dataset}",
            labels={"figure": "{figure}", "model": "{model}, seed {seed}"},
        ),
    log:
        "<results>/logs/{dataset}/{model}-s{seed}/gallery.log",
    benchmark:
        "<results>/benchmarks/{dataset}/{model}-s{seed}/gallery.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=120,
    params:
        method=METHOD["gallery"],
        settings=lambda w: GALLERIES[w.model].model_dump(),
        journal=journal(f"{places.RUN}/gallery"),
    script:
        "../scripts/gallery.py"


rule generate_all:
    input:
        every_run(f"{RUN}/synthetic/meta.json"),
        every_gallery(),
