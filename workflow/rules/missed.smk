rule find_missed:
    input:
        real=REAL,
        steps=[LENGTH] if LEARNS else [],
    output:
        "<results>/{dataset}/detection/missed-classification.csv",
    log:
        "<results>/logs/{dataset}/detection/missed-classification.log",
    benchmark:
        "<results>/benchmarks/{dataset}/detection/missed-classification.tsv"
    conda:
        ENVIRONMENT
    threads: threads(of_one_detector)
    resources:
        **asked(of_one_detector),
        gpu=slot,
    params:
        task="classification",
        method=METHOD["find_missed"],
        settings=SETTINGS.detect.model_dump(
            exclude={"boxes", "anomalies", "enabled", "missed"}
        ),
    script:
        "../scripts/find_missed.py"


use rule find_missed as find_missed_boxes with:
    input:
        real=REAL,
        boxes=BOXES,
        steps=[BOX_LENGTH],
    output:
        "<results>/{dataset}/detection/missed-boxes.csv",
    log:
        "<results>/logs/{dataset}/detection/missed-boxes.log",
    benchmark:
        "<results>/benchmarks/{dataset}/detection/missed-boxes.tsv"
    threads: threads(of_box_detectors(3))
    resources:
        **asked(of_box_detectors(3)),
        gpu=slot,
    params:
        task="boxes",
        method=METHOD["find_missed"],
        settings=SETTINGS.detect.boxes.model_dump(exclude={"pseudo_labels"}),


use rule generate as generate_missed with:
    input:
        real=REAL,
        model=[f"{RUN}/{places.WEIGHTS}", f"{RUN}/{places.RECIPE}"],
        missed="<results>/{dataset}/detection/missed-classification.csv",
    output:
        [f"{MISSED}/{name}" for name in IMAGE_SET],
        export=directory(f"{MISSED}/export"),
        samples=report(
            f"{MISSED}/samples.png",
            caption="../report/missed.rst",
            category="{dataset}",
            labels={"figure": "what is missed", "model": "{model}, seed {seed}"},
        ),
    log:
        "<results>/logs/{dataset}/{model}-s{seed}/generate_missed.log",
    benchmark:
        "<results>/benchmarks/{dataset}/{model}-s{seed}/generate_missed.tsv"
    params:
        method=METHOD["generate"],
        settings=lambda w: generate_of(
            SETTINGS.generate, FAMILIES[w.model]
        ).model_dump(),
        journal=journal("{dataset}/{model}/seed-{seed}/generate_missed"),


use rule generate_missed as generate_missed_boxed with:
    input:
        real=REAL,
        model=[f"{RUN}/{places.WEIGHTS}", f"{RUN}/{places.RECIPE}"],
        missed="<results>/{dataset}/detection/missed-boxes.csv",
    output:
        [f"{MISSED}/{name}" for name in IMAGE_SET + BOX_FILES],
        export=directory(f"{MISSED}/export"),
        samples=report(
            f"{MISSED}/samples.png",
            caption="../report/missed.rst",
            category="{dataset}",
            labels={"figure": "what is missed", "model": "{model}, seed {seed}"},
        ),
        boxes=report(
            f"{MISSED}/boxes.png",
            caption="../report/asked_boxes.rst",
            category="{dataset}",
            labels={
                "figure": "what is missed, boxes",
                "model": "{model}, seed {seed}",
            },
        ),
    wildcard_constraints:
        model=either(DRAW_BOXES),
