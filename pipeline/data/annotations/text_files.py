"""Annotation files that are XML or JSON, in any encoding: parsed, or refused with the reason."""

from __future__ import annotations

import codecs
import json
import re
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException, ElementTree

from pipeline.data.reading.frame import Rejected

DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]+)["'][^>]*\?>""")
OF_EXPAT = {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "iso8859-1"}  # what the parser decodes by itself
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "iso8859-1": "cp1252"}  # what programs mean by it


def xml_root(path: str) -> Element:
    """The root element of an XML file.

    Raises:
        Rejected: it is none, or a hostile one.
    """
    with open(path, "rb") as file:
        text = _in_utf8(file.read())
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        if not text.startswith(UTF_16) and not _in_declared_utf_8(text):
            raise Rejected("is no text in UTF-8, and declares no other encoding") from None
        line, column = error.position
        raise Rejected(f"is no XML: line {line}, column {column}") from None
    except DefusedXmlException:
        raise Rejected("declares XML entities (a bomb, or a way to other files), which no annotation needs") from None


def _in_utf8(content: bytes) -> bytes:
    """An XML text in an encoding that the parser knows: Python knows more of them."""
    found = DECLARED.match(content)
    if not found:
        return content
    name = found[1].decode()
    try:
        codec = codecs.lookup(name)
        if _told_wrongly(content[found.end() :], codec.name):
            return content[found.end() :]
        if codec.name in OF_EXPAT:
            return content
        text = content[found.end() :].decode(WIDER.get(codec.name, codec.name))
    except LookupError:  # also of what is no encoding of text, as `rot13`
        raise Rejected(f"declares the encoding `{name[:40]}`, which Python does not know") from None
    except UnicodeError:
        raise Rejected(f"is not in the encoding `{name[:40]}` that it declares") from None
    return text.encode("utf-8", "surrogatepass")


def _in_declared_utf_8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return DECLARED.match(text) is not None
    return True


def _told_wrongly(content: bytes, declared: str) -> bool:
    """Whether a text is in UTF-8 whatever it declares, as after a conversion that left the first line as it was.

    Texts of one byte a letter never look so; those of two bytes do where they are a few letters, but for the signs that
    take three in UTF-8.
    """
    try:
        others = [letter for letter in content.decode("utf-8") if letter > "\x7f"]
    except UnicodeDecodeError:
        return False
    return bool(others) and (max(others) >= "\u0800" or declared.startswith(("cp125", "iso8859", "koi8")))


def json_content(path: str) -> Any:
    """What a JSON file holds. Raises Rejected where it is none."""
    try:
        with open(path, "rb") as file:
            return json.load(file)
    except json.JSONDecodeError as error:
        raise Rejected(f"is no JSON: line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError:
        raise Rejected("is no JSON: it is no text in UTF-8") from None
    except (ValueError, RecursionError):  # numbers of thousands of digits, brackets in thousands
        raise Rejected("is no JSON that can be read: its numbers or brackets are without end") from None


def other_format(content: Any) -> str:
    """Of JSON that is not what it was taken for: what it looks like, and the way to have it read; or nothing."""
    some = content if isinstance(content, dict) else {}
    first = next(iter(content[:1] if isinstance(content, list) else some.values()), None)
    keys = first.keys() if isinstance(first, dict) else set()
    if some.get("images") and "annotations" in some:
        return "; it looks like COCO: `format: coco`"
    if "shapes" in some:
        return "; it looks like LabelMe: `format: labelme`"
    if isinstance(content, list) and keys & {"annotations", "completions"} and keys & {"data", "predictions"}:
        return "; it looks like Label Studio: `format: labelstudio`"
    tool = None
    if "_via_img_metadata" in some or {"filename", "regions"} <= keys:
        tool = "the VGG Image Annotator, whose menu exports COCO too"
    elif {"image", "annotations"} <= keys:
        tool = "CreateML"
    elif {"objects", "size"} <= some.keys():
        tool = "Supervisely"
    elif "items" in some and "categories" in some:
        tool = "Datumaro"
    return f"; it looks like a file of {tool}: export or convert it to COCO, `format: coco`" if tool else ""
