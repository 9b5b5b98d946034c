rule detect:
    input:
        real=REAL,
        synthetic=lambda w: expand(
            f"{RUN}/synthetic/{{name}}",
            dataset=w.dataset,
            model=ARMS[w.dataset][w.arm].models,
            seed=SETTINGS.seeds[0],
            name=IMAGE_SET,
        ),
        plain=lambda w: (
            expand(
                "<results>/{dataset}/detection/{arm}.json",
                dataset=w.dataset,
                arm=PLAIN,
            )
            if ARMS[w.dataset][w.arm].models
            else []
        ),
    output:
        "<results>/{dataset}/detection/{arm}.json",
    log:
        "<results>/logs/{dataset}/detection/{arm}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/detection/{arm}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=720,
    params:
        method=METHOD["detect"],
        settings=SETTINGS.detect.model_dump(exclude={"boxes"}),
        journal=journal("{dataset}/detection/{arm}"),
        arm=lambda w: ARMS[w.dataset][w.arm]._asdict(),
        seed=SETTINGS.seeds[0],
        state=f"{SETTINGS.results}/state/{{dataset}}/detection/{{arm}}.json",
    script:
        "../scripts/detect.py"


rule detect_all:
    input:
        every_arm("<results>/{dataset}/detection/{arm}.json"),
        every_box_arm(),
        every_comparison(),
