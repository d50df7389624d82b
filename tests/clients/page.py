"""docs/clients.md: what the tests saw each client do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clients.device import Client
from clients.scenarios import KILL_KEY, KILL_TITLE, SCENARIOS

HEAD = """\
# Clients

What chat clients can do with Raftline, as tests saw it (`tests/clients`; `make clients` writes this page). Each client
is the one its users have, with its own settings: it is told where the server is and which authority to trust, and
nothing else but what the notes say. It signs in through one node of three; its partner is on another, its second device
on the third.
"""
ROWS = {**{scenario.key: scenario.title for scenario in SCENARIOS}, KILL_KEY: KILL_TITLE}


@dataclass
class Results:
    """
    What was seen.

    Attributes:
        cells: What a cell says, by client and key of the row.
        versions: By client.
    """

    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def missing(self, clients: Sequence[Client]) -> list[str]:
        """What did not run or did not pass."""
        return [
            f"{client.name}: {key}"
            for client in clients
            for key in ROWS
            if key not in client.lacks and (client.name, key) not in self.cells
        ]


def render(results: Results, clients: Sequence[Client]) -> str:
    """Return the page. Everything that is not lacking must have been seen (`Results.missing`)."""
    notes: dict[str, int] = {}
    heads = [f"{client.name} {results.versions[client.name]}" for client in clients]
    lines = [HEAD, row("", heads), row("---", ["---"] * len(clients))]
    for key, title in ROWS.items():
        lines.append(row(title, [cell(results.cells, client, key, notes) for client in clients]))
    if notes:
        lines += ["", *(f"{number}. {reason}" for reason, number in notes.items())]
    return "\n".join(lines) + "\n"


def cell(cells: Mapping[tuple[str, str], str], client: Client, key: str, notes: dict[str, int]) -> str:
    """What a client's cell says; what it lacks, and what there is to say besides, becomes a note with a number."""
    said = "–" if key in client.lacks else cells[client.name, key]
    note = client.lacks.get(key) or client.remarks.get(key)
    return f"{said} ({notes.setdefault(note, len(notes) + 1)})" if note else said


def row(first: str, others: Sequence[str]) -> str:
    """One line of the table."""
    return f"| {' | '.join([first, *others])} |"


def without_versions(page: str) -> str:
    """Return a page without the row that tells the versions."""
    return "\n".join(line for line in page.splitlines() if not line.startswith(row("", [])[:4]))
