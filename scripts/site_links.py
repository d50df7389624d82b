"""
Hook of the documentation site: links to files of the repository that are no pages of the site become their names.

The same pages are read in a checkout, where a link to a test or a source file leads somewhere; the site has no sources.
A link inside of docs/ stays as it is, so that one that leads nowhere still fails the build.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

LINK = re.compile(r"\[(?P<text>[^\]\n]+)\]\((?P<target>[^)\s#:]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by MkDocs with each page's text; returns the text that is rendered."""
    return replace_outside(markdown, page.file.src_uri)


def replace_outside(markdown: str, source: str) -> str:
    """
    Return a page whose links all stay within the site.

    Args:
        source: The page's path below docs/.
    """
    folder = posixpath.dirname(source)

    def replace(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, found["target"]))
        return found["text"] if path.startswith("..") else found[0]

    return LINK.sub(replace, markdown)
