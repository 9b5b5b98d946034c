"""A page on this machine to draw from finished models: choose, look, take the files.

Of the standard library's server, on the loopback interface alone. A page without scripts: a form asks, an image
answers, and every address says all that its images depend on, so that people at one server do not meet. What asks by
another name than this machine's is refused (another site's page whose name resolves to here), as is all that is not
GET.
"""

from __future__ import annotations

import io
import json
import math
import tempfile
import threading
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import jinja2

import pyrite
from pipeline.base.files import AGAIN
from pipeline.sampling.layouts import Box, layout_of
from pipeline.settings import UserError
from pipeline.settings.places import RECIPE, RUN
from pipeline.training import grids

HOST, PORT = "127.0.0.1", 8008
KEPT = 4  # models in memory
MOST = 64  # images at once
STEEPEST = 5.0  # standard deviations along a direction
LAST_SEED = 2**32 - 1
FARTHEST = 1e6  # pixels
COLUMNS = 8
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Asked:
    """What images are asked for; every field is within its limits."""

    model: str
    label: str | None = None
    seed: int = 0
    n: int = 16
    truncation: float = 1.0
    move: dict[str, float] = field(default_factory=dict)
    layout: str = ""
    """Boxes as they were written: `class x0 y0 x1 y1; …`, `none` for background; empty: those of training images."""

    def query(self) -> str:
        """As it stands in an address."""
        moves = {f"move.{name}": f"{size:g}" for name, size in self.move.items()}
        head = {"model": self.model, "seed": self.seed, "n": self.n, "truncation": f"{self.truncation:g}"}
        label = {"label": self.label} if self.label is not None else {}
        return urlencode(head | label | moves | ({"layout": self.layout} if self.layout else {}))


class Studio:
    """The finished models of some results, and the images that are drawn of them, one request at a time."""

    def __init__(self, results: list[Path]):
        found = [
            path.parent
            for folder in results
            for path in sorted(folder.glob(f"{RUN.format(dataset='*', model='*', seed='*')}/{RECIPE}"))
        ]
        self.folders = {"/".join(folder.parts[-3:]): folder for folder in found}
        if len(results) > 1:
            self.folders = {str(folder): folder for folder in found}
        if not found:
            raise pyrite.UserError(f"{', '.join(map(str, results))}: no finished model is in there")
        self.lock = threading.Lock()
        self.load = lru_cache(KEPT)(lambda name: pyrite.load(self.folders[name]))

    def asked(self, query: str) -> Asked:
        """Raises UserError: what is asked for is no model of these, or beyond a limit."""
        given = {key: values[-1] for key, values in parse_qs(query, max_num_fields=40).items()}
        name = given.get("model", next(iter(self.folders)))
        if name not in self.folders:
            raise pyrite.UserError(f"model: `{name[:80]}` is none of these: {', '.join(self.folders)}")
        label = given.get("label") or None
        moves = {key.removeprefix("move."): given[key] for key in given if key.startswith("move.")}
        sizes = {key: _number("move", text, -STEEPEST, STEEPEST) for key, text in moves.items()}
        return Asked(
            name,
            label if label in self.classes(name) else None,
            int(_number("seed", given.get("seed", "0"), 0, LAST_SEED)),
            int(_number("n", given.get("n", "16"), 1, MOST)),
            _number("truncation", given.get("truncation", "1"), 0, 1),
            {key: size for key, size in sizes.items() if size and key in self.directions(name)},
            self.layout(name, given.get("layout", "").strip()),
        )

    def classes(self, name: str) -> tuple[str, ...]:
        with self.lock:
            return self.load(name).classes

    def layout(self, name: str, text: str) -> str:
        """The text, where the model takes boxes.

        Raises:
            UserError: it does, and not these.
        """
        with self.lock:
            model = self.load(name)
        if not text or not model.boxes:
            return ""
        layout_of(_boxes(text), model.boxes, *model.shape[:2])
        return text

    def directions(self, name: str) -> list[str]:
        """As its gallery has named them; finding them anew would keep people waiting."""
        path = self.folders[name] / "gallery" / "directions.json"
        try:
            return [found["name"] for found in json.loads(path.read_bytes())] if path.is_file() else []
        except (ValueError, TypeError, KeyError):
            raise UserError(f"{path}: damaged; {AGAIN}") from None

    def picture(self, asked: Asked) -> bytes:
        """A PNG of the images, side by side."""
        with self.lock:
            images = self.load(asked.model).sample(asked.n, **_options(asked, self.styled(asked.model)))
        return grids.png(grids.sheet({"": images}, columns=COLUMNS))

    def files(self, asked: Asked, kind: str) -> bytes:
        """A ZIP of the images as files."""
        packed = io.BytesIO()
        with tempfile.TemporaryDirectory() as folder, self.lock:
            options = _options(asked, self.styled(asked.model))
            self.load(asked.model).save(folder, asked.n, kind=kind, **options)
            with zipfile.ZipFile(packed, "w") as file:
                for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
                    file.write(path, path.relative_to(folder))
        return packed.getvalue()

    def styled(self, name: str) -> bool:
        return self.load(name).family == "stylegan2_ada"

    def page(self, asked: Asked) -> bytes:
        classes = self.classes(asked.model)
        with self.lock:
            model = self.load(asked.model)
            styled = self.styled(asked.model)
        shown = {
            "asked": asked,
            "models": list(self.folders),
            "classes": classes,
            "boxes": model.boxes,
            "styled": styled,
            "query": asked.query(),
        }
        shown |= {"family": model.family, "shape": model.shape, "real_pixels": model.real_pixels, "most": MOST}
        shown |= {"directions": self.directions(asked.model), "steepest": STEEPEST, "last_seed": LAST_SEED}
        return _template().render(shown).encode()


def _options(asked: Asked, styled: bool) -> dict:
    """For families without styles, without what is for styles alone."""
    own = {"truncation": asked.truncation, "move": asked.move} if styled else {}
    boxes = {"layout": _boxes(asked.layout)} if asked.layout else {}
    return {"seed": asked.seed, "label": asked.label} | own | boxes


def _boxes(text: str) -> list[Box]:
    """Raises UserError: not as `Asked.layout` says."""
    found: list[Box] = []
    for part in [] if text == "none" else text.strip(" ;").split(";"):
        words = part.split()
        if len(words) < 5:
            raise pyrite.UserError(f"layout: `{part[:80]}` is not `class x0 y0 x1 y1`")
        x0, y0, x1, y1 = (_number("layout", end, 0, FARTHEST) for end in words[-4:])
        found.append((" ".join(words[:-4]), x0, y0, x1, y1))
    return found


def _number(name: str, text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        raise pyrite.UserError(f"{name}: `{text[:40]}` is no number") from None
    if not math.isfinite(value) or not low <= value <= high:
        raise pyrite.UserError(f"{name}: {text[:40]} is not from {low:g} to {high:g}")
    return value


@lru_cache(1)
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("draw.html")


def server(results: list[Path], port: int = PORT) -> ThreadingHTTPServer:
    """Ready to `serve_forever`, with the first model drawn from once, for what that imports takes seconds; port 0 takes
    any that is free.

    Raises:
        UserError: no model is there, or the port is taken.
    """
    studio = Studio(results)
    with suppress(pyrite.UserError):  # a damaged one is named when somebody asks for it
        studio.picture(studio.asked("n=1"))

    class Handler(BaseHTTPRequestHandler):
        timeout = 30  # seconds of a client that says nothing
        server_version = "Pyrite"

        def do_GET(self) -> None:
            if self.headers.get("Host") not in self.names():
                return self.answer(403, "text/plain", b"this server answers to this machine's own name alone")
            address = urlsplit(self.path)
            try:
                self.found(address.path, studio.asked(address.query))
            except (pyrite.UserError, ValueError) as error:
                self.answer(400, "text/plain; charset=utf-8", str(error).encode())

        def found(self, path: str, asked: Asked) -> None:
            if path == "/":
                self.answer(200, "text/html; charset=utf-8", studio.page(asked))
            elif path == "/images.png":
                self.answer(200, "image/png", studio.picture(asked))
            elif path in ("/tiff.zip", "/png.zip"):
                self.answer(200, "application/zip", studio.files(asked, path[1:-4]))
            else:
                self.answer(404, "text/plain", b"no such page")

        def answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            for name, value in (HEADERS | {"Content-Type": kind, "Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def names(self) -> set[str]:
            assert isinstance(self.server, ThreadingHTTPServer)
            return {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}

        def log_message(self, *words: object) -> None:
            """Nothing is kept of who asks for what."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise pyrite.UserError(f"port: {port} cannot be had ({error.strerror}); name another one") from error
