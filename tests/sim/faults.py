"""
Which faults a simulated cluster meets. Each seed draws its own mix, with most kinds absent most of the time: clusters
that meet a bit of everything find less than clusters that meet a lot of something.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from sim.scheduler import MICROSECOND_NS, MILLISECOND_NS, SECOND_NS


@dataclass
class Faults:
    """
    Chances are per beat of the fault clock unless said otherwise; 0 is absent.

    Attributes:
        beat_ns: Of the fault clock.
        process_crash, power_crash: A process dies; its machine with it.
        all_crash: All of them die, with or without power.
        aimed_crash: Chance per promise that left a node.
        aimed_power: Share of aimed crashes that take the machine along.
        restart_ns_max: A dead node begins its next life within this time.
        graceful_stop: A node is stopped as an operator does it, and started again.
        pause, pause_ns_max: A process is stopped for a while (SIGSTOP).
        cut, one_way_cut, partial_cut: The cluster falls into two; one direction fails; one pair loses each other.
        heal: Chance that all cuts heal.
        flap: All connections of a pair are aborted.
        late_share, late_ns: Share of chunks that are late, per chunk, and by how much at most.
        latency_ns_max: Of links, one way.
        sync_ns_max: Of syncs.
        disk_stall, stall_ns_max: A disk hangs; for how long at most.
        log_error, database_error: The next operation of a kind fails, and the process ends for it.
        squeeze: Others take the space of a disk for a while; needs `reserve_bytes` in the nodes' settings.
        wall_jump, clock_jump: The wall clock is wrong by up to an hour from now on; the monotonic one jumps ahead.
        transfer: An operator asks for another leader.
        slow_reads_ns: What it costs a node to look at its clock: how slow its processor is.
        churn: An operator lets nodes in, removes or replaces them, or one loses its data and is replaced.
        compaction: Nodes forget the beginning of their logs, so that who is behind needs a snapshot.
        damage: What was durable is altered, on a minority of the nodes; see damage.py.
    """

    beat_ns: int = 200 * MILLISECOND_NS
    process_crash: float = 0.0
    power_crash: float = 0.0
    all_crash: float = 0.0
    aimed_crash: float = 0.0
    aimed_power: float = 0.5
    restart_ns_max: int = SECOND_NS
    graceful_stop: float = 0.0
    pause: float = 0.0
    pause_ns_max: int = SECOND_NS
    cut: float = 0.0
    one_way_cut: float = 0.0
    partial_cut: float = 0.0
    heal: float = 0.2
    flap: float = 0.0
    late_share: float = 0.0
    late_ns: int = 200 * MILLISECOND_NS
    latency_ns_max: int = MILLISECOND_NS
    sync_ns_max: int = 2 * MILLISECOND_NS
    disk_stall: float = 0.0
    stall_ns_max: int = SECOND_NS
    log_error: float = 0.0
    database_error: float = 0.0
    squeeze: float = 0.0
    wall_jump: float = 0.0
    clock_jump: float = 0.0
    transfer: float = 0.0
    slow_reads_ns: int = 0
    churn: float = 0.0
    compaction: bool = False
    damage: float = 0.0

    @classmethod
    def draw(cls, chance: random.Random) -> Faults:
        """Draw a mix."""

        def sometimes(share: float, greatest: float) -> float:
            return chance.uniform(0, greatest) if chance.random() < share else 0.0

        return cls(
            beat_ns=chance.choice((50, 200, 500)) * MILLISECOND_NS,
            process_crash=sometimes(0.4, 0.3),
            power_crash=sometimes(0.4, 0.3),
            all_crash=sometimes(0.3, 0.05),
            aimed_crash=sometimes(0.4, 0.01),
            aimed_power=chance.choice((0.0, 0.5, 1.0)),
            restart_ns_max=chance.choice((10, 300, 1500, 6000)) * MILLISECOND_NS,
            graceful_stop=sometimes(0.2, 0.2),
            pause=sometimes(0.3, 0.3),
            pause_ns_max=chance.choice((300, 3000, 15_000)) * MILLISECOND_NS,
            cut=sometimes(0.3, 0.3),
            one_way_cut=sometimes(0.3, 0.3),
            partial_cut=sometimes(0.3, 0.3),
            heal=chance.choice((0.05, 0.2, 0.6)),
            flap=sometimes(0.3, 0.4),
            late_share=sometimes(0.3, 0.05),
            late_ns=chance.choice((20, 200, 3000)) * MILLISECOND_NS,
            latency_ns_max=chance.choice((200, 1000, 10_000, 40_000)) * MICROSECOND_NS,
            sync_ns_max=chance.choice((1, 2, 10, 60)) * MILLISECOND_NS,
            disk_stall=sometimes(0.3, 0.2),
            stall_ns_max=chance.choice((200, 2000, 12_000)) * MILLISECOND_NS,
            log_error=sometimes(0.2, 0.1),
            database_error=sometimes(0.2, 0.1),
            squeeze=sometimes(0.2, 0.2),
            wall_jump=sometimes(0.3, 0.2),
            clock_jump=sometimes(0.2, 0.2),
            transfer=sometimes(0.3, 0.2),
            slow_reads_ns=chance.choice((0, 0, 1, 20, 300)) * MICROSECOND_NS,
            churn=sometimes(0.3, 0.2),
            compaction=chance.random() < 0.5,
            damage=sometimes(0.3, 0.05),
        )
