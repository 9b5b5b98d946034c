# Pyrite: real images in, synthetic images and an answer out. The default configuration is named in profiles/default.
include: "workflow/rules/common.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/patches.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/detect.smk"
include: "workflow/rules/pseudo_label.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


# On the machine that the run was started on; downloads too, for nodes of a cluster have no internet.
localrules:
    all,
    weights,
    prepare_all,
    train_all,
    generate_all,
    evaluate_all,
    detect_all,
    detect_boxes_all,


rule all:
    default_target: True
    input:
        "<results>/summary.csv",
        "<results>/report.html",
        expand("<results>/{dataset}/report.html", dataset=DATASETS),
        # Every output of the report: of a run that is new Snakemake looks at no other change of its inputs.
        every_run(f"{RUN}/card.md"),
        every_run(f"{RUN}/croissant.json"),
        every_box_set(),
        every_arm("boxes"),


onstart:
    start_run()


onsuccess:
    finish_run()


onerror:
    show_failed(log)
    finish_run()
