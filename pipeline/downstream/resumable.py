"""What a job has done so far, so that one that was killed goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.base.files import read_json, write_json
from pipeline.base.job import say
from pipeline.settings import UserError


class StepCache:
    """Finished parts of a job by name, in a JSON file that is written whole after each."""

    def __init__(self, path: Path, recipe: dict[str, Any]):
        """Args: `path` of the file; `recipe`, all that the parts depend on: parts of another recipe are forgotten."""
        self.path, self.recipe = path, recipe
        self.parts = self._earlier()

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        """What `work` returned (something JSON can hold) when this part was done, now or by an earlier job."""
        if name not in self.parts:
            self.parts[name] = work()
            write_json(self.path, {"recipe": self.recipe, "parts": self.parts})
        return self.parts[name]

    def close(self) -> None:
        """The job is done: nothing is left to go on with."""
        self.path.unlink(missing_ok=True)

    def _earlier(self) -> dict[str, Any]:
        if not self.path.is_file():
            return {}
        try:
            earlier = read_json(self.path, "recipe", "parts")
        except UserError:
            say(f"{self.path}: unreadable, the job begins anew")
            return {}
        return earlier["parts"] if earlier["recipe"] == self.recipe else {}
