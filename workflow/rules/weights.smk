rule weights:
    output:
        WEIGHTS_FILE,
    log:
        "<results>/logs/weights/{folder}/{weights}.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        name=lambda w: next(n for n, of in WEIGHTS.items() if of.file == w.weights),
    script:
        "../scripts/weights.py"
