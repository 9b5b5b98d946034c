"""Counts of the code at a commit, for docs/results/house.md.

    python -m benchmarks.house 4173817 HEAD

Lines of code are those that hold a token beside comments and docstrings. A name counts as defined twice where two
modules of the package define a function or class of that name at their top. A path of a result is a string, not a
docstring, that names a folder of a run or of detectors, or a file in one.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import tarfile
import tempfile
import tokenize
from collections import Counter
from pathlib import Path

RESULT = re.compile(r"seed-|detection/|/real/|(evaluation|comparison|model)\.json|model\.safetensors")
SILENT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs="+")
    for commit in parser.parse_args().commits:
        with tempfile.TemporaryDirectory() as folder:
            packed = subprocess.run(["git", "archive", commit], capture_output=True, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(packed)) as file:
                file.extractall(folder, filter="data")
            print(commit, *(f"{what}: {found}" for what, found in counts(Path(folder)).items()), sep="\n  ")


def counts(root: Path) -> dict[str, object]:
    """Of the tree in a folder."""
    package = {
        path.relative_to(root / "pipeline"): path.read_text("utf-8") for path in (root / "pipeline").rglob("*.py")
    }
    rooms: Counter[str] = Counter()
    for path, text in package.items():
        rooms[path.parts[0].removesuffix(".py")] += code_lines(text)
    named = {path: defined(text) for path, text in package.items()}
    often = Counter(name for names in named.values() for name in names)
    tasks = [
        {name for path, names in named.items() if part in path.parts for name in names}
        for part in ("classifier", "boxes")
    ]
    flat = {name for path, names in named.items() if path.parts[:-1] == ("detection",) for name in names}
    rules = [path.read_text("utf-8") for path in (root / "workflow").rglob("*.smk")]
    return {
        "code in pipeline": sum(rooms.values()),
        "by room": ", ".join(f"{name} {n}" for name, n in sorted(rooms.items()) if n),
        "code in tests": sum(code_lines(path.read_text("utf-8")) for path in (root / "tests").rglob("*.py")),
        "names defined twice": sum(n > 1 for n in often.values()),
        "names of classifiers that boxes have too": len((tasks[0] | flat) & tasks[1]),
        "places that spell the path of a result": sum(map(paths_in, package.values()))
        + sum(len(re.findall(rf"\"[^\"\n]*(?:{RESULT.pattern})[^\"\n]*\"", text)) for text in rules),
        "functions called `shown`": sum(
            isinstance(node, ast.FunctionDef) and node.name == "shown"
            for text in package.values()
            for node in ast.walk(ast.parse(text))
        ),
    }


def docstrings(tree: ast.Module) -> list[ast.Constant]:
    """Also those of fields."""
    found = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    return [value for value in found if isinstance(value, ast.Constant) and isinstance(value.value, str)]


def code_lines(text: str) -> int:
    told = {line for one in docstrings(ast.parse(text)) for line in range(one.lineno, (one.end_lineno or 0) + 1)}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - told)


def defined(text: str) -> set[str]:
    """Functions and classes at the top of a module."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for node in ast.parse(text).body if isinstance(node, kinds)}


def paths_in(text: str) -> int:
    tree = ast.parse(text)
    told = {id(one) for one in docstrings(tree)}
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return sum(bool(RESULT.search(node.value)) for node in strings if id(node) not in told)


if __name__ == "__main__":
    main()
