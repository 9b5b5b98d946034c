rule pseudo_label:
    input:
        real=REAL,
        boxes=BOXES,
        synthetic=SYNTHETIC,
        steps=[BOX_LENGTH],
    output:
        [f"{PSEUDO}/{name}" for name in IMAGE_SET + BOX_FILES],
        numbers=f"{PSEUDO}/pseudo_labels.json",
        picture=report(
            f"{PSEUDO}/pseudo_labels.png",
            caption="../report/pseudo_labels.rst",
            category="{dataset}",
            labels={"figure": "pseudo-labels", "model": "{model}, seed {seed}"},
        ),
    log:
        "<results>/logs/{dataset}/{model}-s{seed}/pseudo_label.log",
    benchmark:
        "<results>/benchmarks/{dataset}/{model}-s{seed}/pseudo_label.tsv"
    conda:
        ENVIRONMENT
    threads: threads(of_box_detectors(1))
    resources:
        **asked(of_box_detectors(1)),
        gpu=slot,
    params:
        method=METHOD["pseudo_label"],
        settings=teacher_of(SETTINGS.detect.boxes).model_dump(),
        journal=journal(f"{places.RUN}/pseudo_label"),
    script:
        "../scripts/pseudo_label.py"
