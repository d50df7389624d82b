"""
Which faults a simulated cluster meets. Each seed draws its own mix, often with most kinds absent: clusters that always
meet a bit of everything find less than clusters that meet a lot of something.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

MILLISECOND_NS = 1_000_000


@dataclass
class Faults:
    """Chances are per message or per event of the fault clock; 0 is absent."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: bool = False
    delay_ns_max: int = 2 * MILLISECOND_NS
    straggler: float = 0.0
    """Chance that a message is very late, up to seconds."""
    partition: float = 0.0
    one_way_cut: float = 0.0
    crash: float = 0.0
    aimed_crash: float = 0.0
    """Chance that a node crashes right after a message that promised something left it."""
    restart_ns_max: int = 300 * MILLISECOND_NS
    sync_ns_max: int = 2 * MILLISECOND_NS
    disk_stall: float = 0.0
    pause: float = 0.0
    transfer: float = 0.0
    link_flap: float = 0.0
    checkpoint: float = 0.0
    install_crash: float = 0.0
    """Chance of a crash right before, and again right after, a fetched snapshot is handed to the core."""
    churn: float = 0.0
    """Chance that the operator asks for a change of the membership."""
    damage: float = 0.0
    """Chance that a disk loses all but term and vote, never on so many nodes that a majority is without its log."""
    fault_every_ns: int = 100 * MILLISECOND_NS

    @classmethod
    def draw(cls, chance: random.Random) -> Faults:
        """Draw a mix."""

        def sometimes(share: float, greatest: float) -> float:
            return chance.uniform(0, greatest) if chance.random() < share else 0.0

        return cls(
            loss=sometimes(0.4, 0.3),
            duplication=sometimes(0.4, 0.3),
            reordering=chance.random() < 0.5,
            delay_ns_max=chance.choice((1, 2, 10, 40)) * MILLISECOND_NS,
            straggler=sometimes(0.3, 0.02),
            partition=sometimes(0.5, 0.4),
            one_way_cut=sometimes(0.4, 0.4),
            crash=sometimes(0.5, 0.4),
            aimed_crash=sometimes(0.5, 0.01),
            restart_ns_max=chance.choice((2, 30, 300)) * MILLISECOND_NS,
            sync_ns_max=chance.choice((1, 2, 10, 60)) * MILLISECOND_NS,
            disk_stall=sometimes(0.3, 0.02),
            pause=sometimes(0.3, 0.3),
            transfer=sometimes(0.3, 0.3),
            link_flap=sometimes(0.4, 0.4),
            checkpoint=sometimes(0.6, 1.0),
            install_crash=sometimes(0.5, 0.5),
            churn=sometimes(0.5, 1.0),
            damage=sometimes(0.4, 0.3),
            fault_every_ns=chance.choice((20, 100, 300)) * MILLISECOND_NS,
        )
