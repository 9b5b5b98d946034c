rule choose_steps:
    input:
        real=REAL,
    output:
        LENGTH,
    log:
        "<results>/logs/{dataset}/detection/steps.log",
    benchmark:
        "<results>/benchmarks/{dataset}/detection/steps.tsv"
    conda:
        ENVIRONMENT
    threads: threads(of_one_detector)
    resources:
        **asked(of_one_detector),
        gpu=slot,
    params:
        task="classification",
        method=METHOD["choose_steps"],
        settings=SETTINGS.detect.model_dump(
            exclude={"boxes", "anomalies", "enabled", "missed"}
        ),
        state=f"{SETTINGS.results}/state/{{dataset}}/detection/steps.json",
    script:
        "../scripts/choose_steps.py"


use rule choose_steps as choose_box_steps with:
    input:
        real=REAL,
        boxes=BOXES,
    output:
        BOX_LENGTH,
    log:
        "<results>/logs/{dataset}/detection/boxes/steps.log",
    benchmark:
        "<results>/benchmarks/{dataset}/detection/boxes/steps.tsv"
    threads: threads(of_box_detectors(of_box_length()))
    resources:
        **asked(of_box_detectors(of_box_length())),
        gpu=slot,
    params:
        task="boxes",
        method=METHOD["choose_steps"],
        settings=SETTINGS.detect.boxes.model_dump(
            exclude={"pseudo_labels", "repetitions", "ratios"}
        ),
        state=f"{SETTINGS.results}/state/{places.DETECTION}/boxes/steps.json",


rule detect:
    input:
        real=REAL,
        synthetic=lambda w: synthetic_sets(
            "classification", w.dataset, w.detectors, IMAGE_SET
        ),
        steps=[LENGTH] if LEARNS else [],
    output:
        numbers=f"<results>/{places.DETECTION}/{{detectors}}.json",
    log:
        "<results>/logs/{dataset}/detection/{detectors}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/detection/{detectors}.tsv"
    conda:
        ENVIRONMENT
    threads: threads(of_detectors("classification"), number_of_jobs("classification"))
    resources:
        **asked(of_detectors("classification")),
        gpu=slot,
    params:
        task="classification",
        method=METHOD["detect"],
        settings=SETTINGS.detect.model_dump(
            exclude={"boxes", "anomalies", "enabled", "missed"}
        ),
        journals=journal("{dataset}/detection"),
        trained=lambda w: detection_params("classification", w.dataset, w.detectors),
        seed=SETTINGS.seeds[0],
        state=f"{SETTINGS.results}/state/{{dataset}}/detection",
    script:
        "../scripts/detect.py"


use rule detect as detect_boxes with:
    input:
        real=REAL,
        boxes=BOXES,
        synthetic=lambda w: synthetic_sets(
            "boxes", w.dataset, w.box_arm, IMAGE_SET + BOX_FILES
        ),
        steps=[BOX_LENGTH],
    output:
        numbers=f"<results>/{places.DETECTION}/boxes/{{box_arm}}.json",
        picture=report(
            f"<results>/{places.DETECTION}/boxes/{{box_arm}}.png",
            caption="../report/detections.rst",
            category="{dataset}",
            labels={"figure": "found boxes", "model": "{box_arm}"},
        ),
    log:
        "<results>/logs/{dataset}/detection/boxes/{box_arm}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/detection/boxes/{box_arm}.tsv"
    threads: threads(of_detectors("boxes"), number_of_jobs("boxes"))
    resources:
        **asked(of_detectors("boxes")),
        gpu=slot,
    params:
        task="boxes",
        method=METHOD["detect_boxes"],
        settings=SETTINGS.detect.boxes.model_dump(exclude={"pseudo_labels"}),
        journals=journal(f"{places.DETECTION}/boxes"),
        trained=lambda w: detection_params("boxes", w.dataset, w.box_arm),
        seed=SETTINGS.seeds[0],
        state=f"{SETTINGS.results}/state/{places.DETECTION}/boxes",


use rule detect as detect_anomalies with:
    input:
        real=REAL,
        masks=lambda w: BOXES * (w.dataset in BOXED) + [MASKS] * (w.dataset in MASKED),
        synthetic=lambda w: synthetic_sets(
            "anomalies", w.dataset, w.anomaly_job, IMAGE_SET
        ),
    output:
        numbers=f"<results>/{places.DETECTION}/anomalies/{{anomaly_job}}.json",
    log:
        "<results>/logs/{dataset}/detection/anomalies/{anomaly_job}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/detection/anomalies/{anomaly_job}.tsv"
    threads: threads(of_detectors("anomalies"), number_of_jobs("anomalies"))
    resources:
        **asked(of_detectors("anomalies")),
        gpu=slot,
    params:
        task="anomalies",
        method=METHOD["detect_anomalies"],
        settings=SETTINGS.detect.anomalies.model_dump(),
        journals=journal(f"{places.DETECTION}/anomalies"),
        trained=lambda w: detection_params("anomalies", w.dataset, w.anomaly_job),
        seed=SETTINGS.seeds[0],
        state=f"{SETTINGS.results}/state/{places.DETECTION}/anomalies",


rule detect_all:
    input:
        every_arm("classification"),
        every_arm("boxes"),
        every_arm("anomalies"),
        every_comparison(),


rule detect_boxes_all:
    input:
        every_arm("boxes"),
