"""`python -m raftline`: the same as the command `raftline`."""

from __future__ import annotations

from raftline.cli.main import main

if __name__ == "__main__":
    main()
