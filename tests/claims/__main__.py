"""
The command, with `tests` on the path: `PYTHONPATH=tests python -m claims ...`; `make claims` is `write`.

    write           write `doap.xml` and `docs/xeps.md`
    check           say what is wrong with claims, requirements, tests and the two files
    outline FILE    print a file of requirements to begin with, from the XML of a XEP (github.com/xsf/xeps)

Exit codes: 0 fine; 1 something is to be looked at; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from claims.outline import outline
from claims.state import complaints_of_all, files


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m claims", description=__doc__)
    parser.add_argument("command", choices=["write", "check", "outline"])
    parser.add_argument("file", nargs="?", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "outline":
        if options.file is None:
            parser.error("outline needs the XML of a XEP")
        print(outline(options.file.read_text(encoding="utf-8")))
        return 0
    if options.command == "write":
        for path, text in files().items():
            path.write_text(text, encoding="utf-8")
    complaints = complaints_of_all()
    print("\n".join(complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
