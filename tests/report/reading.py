"""Pages as a reader's program sees them."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image

VOID = {"meta", "link", "img", "br", "col", "wbr"}


class Page(HTMLParser):
    """Checks that tags are balanced; collects text, elements and attributes."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.text, self.elements = [], [], []
        self.feed(html)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.text.append(data)

    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))

    def all(self, tag, name):
        """Values of an attribute of all elements of this tag that have it."""
        return [attributes[name] for found, attributes in self.elements if found == tag and name in attributes]

    def pictures(self, alt):
        """Sources of the images whose alternative text matches."""
        return [a["src"] for tag, a in self.elements if tag == "img" and re.fullmatch(alt, a["alt"])]


def read(path):
    return Page(path.read_text(encoding="utf-8"))


def pixels(uri):
    """(H, W) or (H, W, 3) uint8 of a data URI."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))))
