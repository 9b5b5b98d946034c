# A step that ends well, and one that does so when it has asked for more.
rule all:
    input:
        "first",
        "second",


rule first:
    output:
        "first",
    resources:
        gpu=1,
    shell:
        "touch {output}"


rule second:
    input:
        "first",
    output:
        "second",
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        attempt=lambda w, attempt: attempt,
    shell:
        "test {resources.attempt} = 2 && touch {output}"
