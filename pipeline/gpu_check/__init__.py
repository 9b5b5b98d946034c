"""`python -m pipeline.gpu_check`: does this machine's accelerator compute what the CPU computes, and how fast.

Needs neither Snakemake nor MLflow; beside torch and torchvision it takes what the package reads and writes with: NumPy,
pandas, Pillow, pydantic, safetensors, scikit-image, SciPy and tqdm. docs/gpu-check.md says what each row means.
"""
