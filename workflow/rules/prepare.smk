rule draw_voronoi:
    output:
        "<results>/{dataset}/source.h5",
    log:
        "<results>/logs/{dataset}/draw_voronoi.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **asked(of_reading),
    params:
        method=METHOD["prepare"],
        settings=lambda w: SETTINGS.datasets[w.dataset].voronoi.model_dump(),
        size=lambda w: SETTINGS.datasets[w.dataset].shape[0],
    script:
        "../scripts/draw_voronoi.py"


rule prepare:
    input:
        lambda w: (
            "<results>/{dataset}/source.h5"
            if SETTINGS.datasets[w.dataset].source == "voronoi"
            else []
        ),
    output:
        REAL,
        rejected=f"<results>/{places.REAL}/rejected.csv",
        near_duplicates=f"<results>/{places.REAL}/near_duplicates.csv",
        preview=report(
            f"<results>/{places.REAL}/preview.png",
            caption="../report/preview.rst",
            category="{dataset}",
            labels={"figure": "real images", "model": "-"},
        ),
    log:
        "<results>/logs/{dataset}/prepare.log",
    benchmark:
        "<results>/benchmarks/{dataset}/prepare.tsv"
    wildcard_constraints:
        dataset=either(name for name in DATASETS if name not in PATCHES.values()),
    conda:
        ENVIRONMENT
    threads: threads(of_preparation)
    resources:
        **asked(of_preparation),
    params:
        method=METHOD["prepare"],
        settings=lambda w: of_preparing(SETTINGS.datasets[w.dataset]),
        few=lambda w: list(SETTINGS.few_shots(w.dataset) or ()) or None,
        source=lambda w: of_source(SETTINGS.datasets[w.dataset]),
        annotations=lambda w: (
            of_annotations(SETTINGS.datasets[w.dataset])
            if SETTINGS.datasets[w.dataset].needs_boxes
            else None
        ),
    script:
        "../scripts/prepare.py"


# A rule of its own: boxes that are drawn anew train no generator again that does not know them.
rule annotate:
    input:
        REAL,
    output:
        BOXES,
        remarks=f"<results>/{places.REAL}/boxes_remarks.csv",
        preview=report(
            f"<results>/{places.REAL}/boxes.png",
            caption="../report/boxes.rst",
            category="{dataset}",
            labels={"figure": "boxes of defects", "model": "-"},
        ),
    log:
        "<results>/logs/{dataset}/annotate.log",
    benchmark:
        "<results>/benchmarks/{dataset}/annotate.tsv"
    wildcard_constraints:
        dataset=either(name for name in BOXED if name not in MASKED),
    conda:
        ENVIRONMENT
    threads: threads(of_reading)
    resources:
        **asked(of_reading),
    params:
        method=METHOD["annotate"],
        settings=lambda w: placeless(
            SETTINGS.datasets[w.dataset],
            {"voronoi", "models", "patches_of", "patches"},
        ),
        annotations=lambda w: of_annotations(SETTINGS.datasets[w.dataset]),
    script:
        "../scripts/annotate.py"


# Annotations that tell the shapes of the defects give masks too.
use rule annotate as annotate_masks with:
    output:
        BOXES,
        masks=MASKS,
        remarks=rules.annotate.output.remarks,
        preview=rules.annotate.output.preview,
    wildcard_constraints:
        dataset=either(MASKED),


rule prepare_all:
    input:
        expand(f"<results>/{places.REAL}/meta.json", dataset=DATASETS),
        every_box_set(),
