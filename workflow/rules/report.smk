rule write_report:
    input:
        real=expand(REAL, dataset=DATASETS),
        rejected=expand(f"<results>/{places.REAL}/rejected.csv", dataset=DATASETS),
        floors=expand(f"<results>/{places.REAL}/{places.EVALUATION}", dataset=DATASETS),
        curves=every_run(f"{RUN}/training.csv", TRAINED),
        progress=every_run(f"{RUN}/progress.gif", TRAINED),
        recipes=every_run(f"{RUN}/{places.RECIPE}"),
        synthetic=every_run(SYNTHETIC),
        annotations=every_box_set(),
        drawn_boxes=every_run([f"{RUN}/synthetic/{n}" for n in BOX_FILES], DRAW_BOXES),
        exported=every_run(f"{RUN}/synthetic/export"),
        galleries=every_gallery(),
        evaluations=every_run(f"{RUN}/{places.EVALUATION}"),
        detection=every_arm("classification"),
        boxes=every_arm("boxes"),
        anomalies=every_arm("anomalies"),
        comparisons=every_comparison(),
    output:
        page=report(
            "<results>/report.html", caption="../report/page.rst", category="summary"
        ),
        pages=report(
            expand("<results>/{dataset}/report.html", dataset=DATASETS),
            caption="../report/dataset.rst",
            category="data sets",
        ),
        strips=[
            directory(f"<results>/{places.STRIP}".format(dataset=name))
            for name in DATASETS
            if len(DATASETS) > places.EMBEDDED
        ],
        summary=report(
            "<results>/summary.csv",
            caption="../report/summary.rst",
            category="summary",
        ),
        latex=expand("<results>/{dataset}/table.tex", dataset=DATASETS),
        cards=every_run(f"{RUN}/card.md"),
        croissants=every_run(f"{RUN}/croissant.json"),
        crate="<results>/run.crate.zip",
    log:
        "<results>/logs/write_report.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda w, attempt: min(attempt, 3) * 2000,
        runtime=30,
    params:
        method=METHOD["report"],
        journals=journal(""),
        config=SETTINGS.model_dump(
            mode="json", exclude={"tracking", "device", "jobs_per_gpu"}
        ),
    script:
        "../scripts/write_report.py"
