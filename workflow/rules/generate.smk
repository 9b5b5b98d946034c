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
    threads: threads(of_drawing, SETTINGS.trainings)
    resources:
        **asked(of_drawing),
        gpu=lambda w: 0 if w.model in WITHOUT_TRAINING else slot(w),
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
        real=REAL,
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
    threads: threads(of_gallery, SETTINGS.trainings)
    resources:
        **asked(of_gallery),
        gpu=slot,
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
