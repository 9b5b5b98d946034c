rule train:
    input:
        real=REAL,
        boxes=lambda w: (
            expand(BOXES, dataset=w.dataset) if w.model in DRAW_BOXES else []
        ),
        weights=lambda w: vgg19(w.model) + held_out(w.model),
        start=lambda w: start_of(w.model),
    output:
        weights=f"{RUN}/{places.WEIGHTS}",
        description=f"{RUN}/{places.RECIPE}",
        curves=f"{RUN}/training.csv",
        progress=f"{RUN}/progress.gif",
    log:
        "<results>/logs/{dataset}/{model}-s{seed}/train.log",
    benchmark:
        "<results>/benchmarks/{dataset}/{model}-s{seed}/train.tsv"
    wildcard_constraints:
        model=either(TRAINED),
    conda:
        ENVIRONMENT
    threads: threads(of_training, SETTINGS.trainings)
    resources:
        **asked(of_training),
        gpu=slot,
    params:
        method=METHOD["train"],
        settings=lambda w: SETTINGS.models[w.model].model_dump(),
        journal=journal(f"{places.RUN}/train"),
        state=f"{SETTINGS.results}/state/{places.RUN}",
    script:
        "../scripts/train.py"


# For a generator without training: it holds the training images that its own are made of.
rule collect:
    input:
        real=REAL,
    output:
        images=f"{RUN}/{places.WEIGHTS}",
        description=f"{RUN}/{places.RECIPE}",
    log:
        "<results>/logs/{dataset}/{model}-s{seed}/collect.log",
    benchmark:
        "<results>/benchmarks/{dataset}/{model}-s{seed}/collect.tsv"
    wildcard_constraints:
        model=either(WITHOUT_TRAINING),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **asked(of_reading),
    params:
        method=METHOD["collect"],
        settings=lambda w: SETTINGS.models[w.model].model_dump(),
        journal=journal(f"{places.RUN}/train"),
    script:
        "../scripts/collect.py"


rule train_all:
    input:
        every_run(f"{RUN}/{places.WEIGHTS}"),
