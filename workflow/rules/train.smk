rule train:
    input:
        real=REAL,
        boxes=lambda w: (
            expand(BOXES, dataset=w.dataset) if w.model in DRAW_BOXES else []
        ),
        weights=lambda w: vgg19(w.model),
    output:
        weights=f"{RUN}/model.safetensors",
        description=f"{RUN}/model.json",
        curves=f"{RUN}/training.csv",
        progress=f"{RUN}/progress.gif",
    log:
        "<results>/logs/{dataset}/{model}-s{seed}/train.log",
    benchmark:
        "<results>/benchmarks/{dataset}/{model}-s{seed}/train.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=1440,
    params:
        method=METHOD["train"],
        settings=lambda w: SETTINGS.models[w.model].model_dump(),
        journal=journal("{dataset}/{model}/seed-{seed}/train"),
        state=f"{SETTINGS.results}/state/{{dataset}}/{{model}}/seed-{{seed}}",
    script:
        "../scripts/train.py"


rule train_all:
    input:
        every_run(f"{RUN}/model.safetensors"),
