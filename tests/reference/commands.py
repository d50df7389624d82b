"""`docs/reference/commands.md`: the command tree, each command with its help, and the table of exit codes."""

from __future__ import annotations

import re
import sys

from raftline.cli.main import make_app
from raftline.server.failures import EXIT_CODES

_HEAD = """\
Commands find a cluster by `--data DIR`, the directory of a development cluster, or by `--server URL --token-file FILE`,
which names one node of any cluster. Each has `--help`. Those that end by themselves take `--json`: one JSON value on
standard output, whose fields stay; failures are told on standard error, and by the exit code.
"""


def render() -> str:
    """Return the page without its mark."""
    # Usage lines begin with the name of the program that runs, which is not this one.
    arguments, sys.argv = sys.argv, ["raftline"]
    try:
        text = make_app().generate_docs(output_format="markdown", heading_level=2)
    finally:
        sys.argv = arguments
    # The site has a table of contents of its own, and the root's heading is the page's.
    begin = text.index("**Commands**:")
    rows = "\n".join(
        f"| {int(code)} | {ending.word} | {ending.meaning} | {ending.remedy.format(command='raftline …')} |"
        for code, ending in EXIT_CODES.items()
    )
    codes = f"| code | kind | meaning | what to do next |\n|---|---|---|---|\n{rows}"
    commands = _with_examples(text[begin:])
    return f"# Commands\n\n{_HEAD}\n## Exit codes\n\n{codes}\n\n## raftline\n\n{commands}"


def _with_examples(text: str) -> str:
    """Put examples into blocks that can be copied."""
    return re.sub(r"^Example: (.+)$", "Example:\n\n```console\n\\1\n```", text, flags=re.MULTILINE)
