"""
What is known of each fault: who noticed it (`records.json`, written by `python -m mutation write`), and why nobody
could where nobody did (`explanations.toml`, written by people).

An explanation belongs to a fault by its content. It stays in the file when the fault is not drawn any more, since the
draw follows the source and may bring it back; it must go when somebody notices the fault.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from mutation.children import Verdict
from mutation.faults import Fault

_DIRECTORY: Final = Path(__file__).parent
RECORDS: Final = _DIRECTORY / "records.json"
EXPLANATIONS: Final = _DIRECTORY / "explanations.toml"


class Record(msgspec.Struct, frozen=True):
    """
    What became of a fault.

    Attributes:
        fault: Its key.
        package: Where it is.
        killer: Who noticed it; empty if nobody did.
        how: As in `Verdict`.
        seconds: Until then.
    """

    fault: str
    package: str
    killer: str
    how: str
    seconds: float


class Explanation(msgspec.Struct, frozen=True):
    """
    Why a fault may survive.

    Attributes:
        fault: Its key.
        kind: `equivalent`: no caller can tell; `speed`: only time or memory; `text`: only what people read.
        why: In sentences.
    """

    fault: str
    kind: Literal["equivalent", "speed", "text"]
    why: str


def record_of(fault: Fault, verdict: Verdict) -> Record:
    """Make the record of a verdict."""
    return Record(fault.key, fault.package, verdict.killer, verdict.how, round(verdict.seconds, 1))


def read_records() -> dict[str, Record]:
    """Return the records by fault; empty before the first ones are written."""
    if not RECORDS.exists():
        return {}
    return {record.fault: record for record in msgspec.json.decode(RECORDS.read_bytes(), type=list[Record])}


def write_records(records: Iterable[Record]) -> None:
    """Write the records, a line each."""
    lines = ",\n".join(msgspec.json.encode(record).decode() for record in records)
    RECORDS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read_explanations() -> dict[str, Explanation]:
    """
    Return the explanations by fault.

    Raises:
        ValueError: Two are of one fault.
    """
    content = tomllib.loads(EXPLANATIONS.read_text(encoding="utf-8"))
    found = msgspec.convert(content.get("survivor", []), list[Explanation])
    explanations = {explanation.fault: explanation for explanation in found}
    if len(explanations) != len(found):
        raise ValueError("two explanations are of one fault")
    return explanations


def complaints(records: Iterable[Record], explanations: Mapping[str, Explanation]) -> list[str]:
    """Return what people have to look at."""
    said = []
    for record in records:
        if not record.killer and record.fault not in explanations:
            said.append(f"nobody notices, and nobody explains why: {record.fault}")
        if record.killer and record.fault in explanations:
            said.append(f"explained, and noticed by {record.killer}: {record.fault}")
        if record.killer == "the workbench":
            said.append(f"could not be switched on: {record.fault}")
    return said
