"""
What commands print: sentences and tables for people, with `--json` one JSON value for programs.

Every command that ends by itself takes `--json`. What is printed then is one value on standard output, whose fields are
told in the reference; fields may be added later, none goes or changes its meaning. Failures are told on standard error
and by the exit code, with and without `--json` (report.py).
"""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.table import Column
from rich.text import Text

Json = Annotated[bool, Parameter(help="Print JSON for programs.", negative=())]
"""The option of all commands that end by themselves."""


def print_json(content: object) -> None:
    """Print a value as indented JSON on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")


def harmless(text: str) -> Text:
    """Show what strangers have written as it is: neither markup nor anything that a terminal would obey."""
    return Text(
        "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
    )


def folded(*headers: str) -> list[Column]:
    """Return columns whose long words go on in the next line: an id that is cut off is of no use."""
    return [Column(header, overflow="fold") for header in headers]
