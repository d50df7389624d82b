"""
The process that looks into one file: `python -m raftline.cluster.media.describing.worker FILE`, findings on its output.

It takes its limits before it opens the file, and cannot have more afterwards. How long it may take is a matter of
whoever runs it (`process`).
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

import msgspec

from raftline.cluster.media.describing.findings import Findings, Lacking
from raftline.cluster.media.describing.formats import HEAD_BYTES, format_of
from raftline.cluster.media.describing.pictures import describe_picture
from raftline.cluster.media.describing.streams import describe_stream
from raftline.cluster.media.describing.waves import describe_wave

ADDRESS_SPACE_BYTES: Final = 1 << 30
CPU_SECONDS: Final = 20


def main() -> None:
    """Describe the file that is named by the first argument."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.buffer.write(msgspec.json.encode(describe(Path(sys.argv[1]))))


def describe(path: Path) -> Findings:
    """Return what there is to say of a file."""
    with path.open("rb") as file:
        form = format_of(file.read(HEAD_BYTES))
    try:
        if form is None:
            return Findings(lack="plain")
        if form.reader == "picture":
            return describe_picture(path, form.name)
        return (describe_wave(path) if form.name == "wav" else None) or describe_stream(path, form.name)
    except Lacking as lacking:
        return Findings(lack=lacking.lack)
    except MemoryError:
        return Findings(lack="too-large")


if __name__ == "__main__":
    main()
