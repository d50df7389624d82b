"""`python -m reference write`: the pages of docs/reference anew."""

from __future__ import annotations

import sys

from reference.pages import write

if __name__ == "__main__":
    if sys.argv[1:] != ["write"]:
        sys.exit("usage: python -m reference write")
    write()
