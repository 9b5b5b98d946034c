rule evaluate_real:
    input:
        real=REAL,
        weights=inception() + lpips(),
    output:
        numbers=f"<results>/{places.REAL}/{places.EVALUATION}",
        # Those kept beside them of the real classes, spectra and phases are declared by no rule: whether a set has
        # classes enough only its images tell.
        features=[
            f"<results>/{places.REAL}/features-{name}.npz" for name in extractors()
        ],
        psd=f"<results>/{places.REAL}/psd.png",
    log:
        "<results>/logs/{dataset}/evaluate_real.log",
    benchmark:
        "<results>/benchmarks/{dataset}/evaluate_real.tsv"
    conda:
        ENVIRONMENT
    threads: threads(of_measuring_real, len(DATASETS))
    resources:
        **asked(of_measuring_real),
        gpu=slot,
    params:
        method=METHOD["evaluate"],
        settings=SETTINGS.evaluate.model_dump(),
    script:
        "../scripts/evaluate_real.py"


rule evaluate:
    input:
        real=REAL,
        synthetic=SYNTHETIC,
        features=rules.evaluate_real.output.features,
        weights=inception() + lpips(),
    output:
        numbers=f"{RUN}/{places.EVALUATION}",
        psd=report(
            f"{RUN}/psd.png",
            caption="../report/psd.rst",
            category="{dataset}",
            labels={"figure": "power spectrum", "model": "{model}, seed {seed}"},
        ),
        closest=report(
            f"{RUN}/closest.png",
            caption="../report/closest.rst",
            category="{dataset}",
            labels={"figure": "closest pairs", "model": "{model}, seed {seed}"},
        ),
    log:
        "<results>/logs/{dataset}/{model}-s{seed}/evaluate.log",
    benchmark:
        "<results>/benchmarks/{dataset}/{model}-s{seed}/evaluate.tsv"
    conda:
        ENVIRONMENT
    threads: threads(of_evaluating, SETTINGS.trainings)
    resources:
        **asked(of_evaluating),
        gpu=slot,
    params:
        method=METHOD["evaluate"],
        settings=SETTINGS.evaluate.model_dump(),
        journal=journal(f"{places.RUN}/evaluate"),
    script:
        "../scripts/evaluate.py"


rule evaluate_all:
    input:
        expand(f"<results>/{places.REAL}/{places.EVALUATION}", dataset=DATASETS),
        every_run(f"{RUN}/{places.EVALUATION}"),
