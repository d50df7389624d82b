"""Prints a file of requirements to begin with: each sentence of a XEP with a MUST or SHOULD, by section."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Final

LEVEL: Final = re.compile(r"\b(MUST|SHALL|REQUIRED|SHOULD|RECOMMENDED)\b")
SENTENCE: Final = re.compile(r"(?<=[.;:!?])\s+(?=[A-Z<(])")
TEXTS: Final = {"p", "li", "td", "th", "dd", "dt"}


def outline(xml: str) -> str:
    """
    Make a file from the XML of a XEP; sentences are comments, to be said in our own words or deleted.

    Entities, which the XEPs keep in another file, appear by name.
    """
    without_type = re.sub(r"<!DOCTYPE.*?\]>", "", xml, flags=re.DOTALL)
    root = ET.fromstring(re.sub(r"&(?!(?:amp|lt|gt|quot|apos|#\w+);)([\w.-]+);", r"\1", without_type))
    lines = [f'version = "{root.findtext("header/revision/version")}"', 'module = ""']
    for section, sentence in _demands(root, ""):
        level = "must" if re.search("MUST|SHALL|REQUIRED", sentence) else "should"
        lines += ["", "[[requirement]]", f'section = "{section}"', f"# {sentence}", f'{level} = ""', "tests = []"]
    return "\n".join(lines)


def _demands(element: ET.Element, number: str) -> Iterator[tuple[str, str]]:
    sections = [child for child in element if child.tag.startswith("section")]
    for text in _texts(element):
        yield from ((number, sentence) for sentence in SENTENCE.split(text) if LEVEL.search(sentence))
    for index, section in enumerate(sections, start=1):
        yield from _demands(section, f"{number}.{index}".lstrip("."))


def _texts(element: ET.Element) -> Iterator[str]:
    """Paragraphs of a section, without those of its sections, examples and header."""
    for child in element:
        if child.tag.startswith("section") or child.tag in {"header", "example", "code"}:
            continue
        if child.tag in TEXTS:
            yield " ".join("".join(child.itertext()).split())
        else:
            yield from _texts(child)
