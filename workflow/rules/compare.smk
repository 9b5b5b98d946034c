rule compare_detectors:
    input:
        real=lambda w: [
            f"<results>/{places.REAL.format(dataset=name)}/{file}"
            for name in dict.fromkeys(sum(drawn_alike(w.dataset), []))
            for file in IMAGE_SET
        ],
        arms=lambda w: [
            file
            for name in dict.fromkeys(sum(drawn_alike(w.dataset), []))
            for task in TASKS
            for file in results_of(task, name)
        ],
    output:
        f"<results>/{places.DETECTION}/{places.COMPARISON}",
    log:
        "<results>/logs/{dataset}/detection/comparison.log",
    benchmark:
        "<results>/benchmarks/{dataset}/detection/comparison.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda w, attempt: min(attempt, 3) * 2000,
        runtime=30,
    params:
        method=METHOD["compare"],
        draws=lambda w: [
            {name: {task: list(jobs(task, name)) for task in TASKS} for name in alike}
            for alike in drawn_alike(w.dataset)
        ],
        family=lambda w: FAMILY_OF.get(w.dataset),
        journal=journal(f"{places.DETECTION}/comparison"),
        seed=SETTINGS.seeds[0],
    script:
        "../scripts/compare_detectors.py"
