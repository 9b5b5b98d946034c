rule detect_boxes:
    input:
        real=REAL,
        boxes=BOXES,
        synthetic=lambda w: [
            f"<results>/{w.dataset}/{one.model}/seed-{SETTINGS.seeds[0]}/{one.how}/{name}"
            for one in BOX_ARMS[w.dataset][w.box_arm].made
            for name in IMAGE_SET + BOX_FILES
        ],
        plain=lambda w: (
            expand(
                "<results>/{dataset}/detection/boxes/{box_arm}.json",
                dataset=w.dataset,
                box_arm=PLAIN_BOX_ARMS,
            )
            if BOX_ARMS[w.dataset][w.box_arm].made
            else []
        ),
    output:
        numbers="<results>/{dataset}/detection/boxes/{box_arm}.json",
        picture=report(
            "<results>/{dataset}/detection/boxes/{box_arm}.png",
            caption="../report/detections.rst",
            category="{dataset}",
            labels={"figure": "found boxes", "model": "{box_arm}"},
        ),
    log:
        "<results>/logs/{dataset}/detection/boxes/{box_arm}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/detection/boxes/{box_arm}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=720,
    params:
        method=METHOD["detect_boxes"],
        settings=SETTINGS.detect.boxes.model_dump(exclude={"pseudo_labels"}),
        journal=journal("{dataset}/detection/boxes/{box_arm}"),
        arm=lambda w: box_arm(w.dataset, w.box_arm),
        seed=SETTINGS.seeds[0],
        state=f"{SETTINGS.results}/state/{{dataset}}/detection/boxes/{{box_arm}}.json",
    script:
        "../scripts/detect_boxes.py"


rule detect_boxes_all:
    input:
        every_box_arm(),
