"""Simulated clusters of whole servers (`tests/sim`) as killers: a few seeds, each some virtual seconds of faults."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from sim import world as worlds
from sim.scheduler import SECOND_NS

SEEDS: Final = range(8)
SECONDS_MAX: Final = 120.0
"""How long a seed may take; on an idle machine some seconds."""

_SAFETY_NS: Final = 6 * SECOND_NS
_CONVERGENCE_NS: Final = 30 * SECOND_NS


def run(seed: int) -> None:
    """
    Run a seed in a child, to its end or to the first broken promise.

    Raises:
        Exception: Whatever a broken server comes to.
    """
    # Not in shared memory: what a child that hangs leaves behind has to go with the folder of the child.
    worlds._SHARED_MEMORY = Path(tempfile.gettempdir())
    world = worlds.World(seed)
    try:
        world.run(_SAFETY_NS, _CONVERGENCE_NS)
    finally:
        world.close()
