"""
Nodes broken on purpose, one rule each: whole clusters of a few seeds must show it.

A simulation that lets one of these live does not test that rule. Each names what it expects to be found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from raftline.base.ids import Cursor, Position
from raftline.cluster.barriers import Barriers
from raftline.cluster.proposals import PendingProposals
from raftline.cluster.turns import Turns
from raftline.machine import apply, messages, sessions
from raftline.machine.commands import CarryOutDue
from raftline.machine.context import Context
from raftline.machine.records import Progress
from raftline.machine.timers import due
from raftline.node.session import LocalSession
from sim.faults import Faults
from sim.scheduler import MILLISECOND_NS, SECOND_NS, Violation
from sim.world import World

SEED_COUNT = 12
SAFETY_NS = 6 * SECOND_NS
CONVERGENCE_NS = 12 * SECOND_NS

CRASHES = Faults(process_crash=0.1, power_crash=0.1, restart_ns_max=300 * MILLISECOND_NS)
POWER = Faults(power_crash=0.2, all_crash=0.1, aimed_crash=0.01, aimed_power=1.0, sync_ns_max=10 * MILLISECOND_NS)
AIMED = Faults(aimed_crash=0.02, restart_ns_max=300 * MILLISECOND_NS, latency_ns_max=10 * MILLISECOND_NS)
LEADERS = Faults(transfer=0.3, flap=0.4, process_crash=0.05, latency_ns_max=10 * MILLISECOND_NS)
CUTS = Faults(cut=0.1, partial_cut=0.1, heal=0.1, flap=0.2, pause=0.1)


def promises_before_durable(patch: pytest.MonkeyPatch) -> None:
    """A node sends at once what has to wait for the log."""
    carry_out = Turns._carry_out

    def send_all(self: Turns, ready: Any) -> None:
        for write in ready.io:
            ready.messages.extend(write.messages)
        carry_out(self, ready)

    patch.setattr(Turns, "_carry_out", send_all)


def barriers_that_wait_for_nothing(patch: pytest.MonkeyPatch) -> None:
    """A read barrier is passed at once."""

    async def pass_through(self: Barriers, waiter: Any) -> None:
        waiter.cancel()

    patch.setattr(Barriers, "pass_through", pass_through)


def repeats_count_as_new(patch: pytest.MonkeyPatch) -> None:
    """Apply takes a session's command whatever its number, and an origin id whenever it comes."""

    def admit(context: Context, origin: Any) -> Any:
        progress = context.progress.get(origin.session_id)
        if progress is None:
            return sessions._STALE
        number = max(progress.number, origin.number)
        changed = Progress(*(progress[:2]), number, max(progress[3], number), *progress[4:])
        context.progress.put(origin.session_id, changed)
        return context.sessions.get(origin.session_id)

    patch.setattr(sessions, "admit", admit)
    patch.setattr(messages, "remember_origin", lambda *_: 1)


def gaps_are_taken(patch: pytest.MonkeyPatch) -> None:
    """A node starts over from its newest command instead of its oldest, and apply does not mind the gap."""
    restart = PendingProposals.restart

    def restart_late(self: PendingProposals, first_ticket: int = 0) -> None:
        tickets = list(self._pending)
        restart(self, tickets[len(tickets) // 2] if tickets else first_ticket)

    original = sessions.admit

    def admit(context: Context, origin: Any) -> Any:
        progress = context.progress.get(origin.session_id)
        if progress is not None and progress.number < origin.previous:
            origin = type(origin)(origin.session_id, origin.epoch, origin.number, progress.number, origin.requests)
        return original(context, origin)

    patch.setattr(PendingProposals, "restart", restart_late)
    patch.setattr(sessions, "admit", admit)


def apply_that_depends_on_the_process(patch: pytest.MonkeyPatch) -> None:
    """What apply does depends on which process does it."""
    counter = iter(range(10**9))
    store = messages.store_message

    def store_message(context: Context, session: Any, action: Any) -> None:
        context.time_ms += next(counter) % 2
        store(context, session, action)

    patch.setattr(messages, "store_message", store_message)


def marks_that_say_too_much(patch: pytest.MonkeyPatch) -> None:
    """A node tells the cluster that clients have what they have not acknowledged."""
    progress = LocalSession.progress

    def all_of_it(self: LocalSession, inbound_count: int, acknowledged: Cursor, *rest: Any, **named: Any) -> None:
        end = Position(1 << 62)
        progress(self, inbound_count, Cursor(end, end), *rest, **named)

    patch.setattr(LocalSession, "progress", all_of_it)


def counts_before_outcomes(patch: pytest.MonkeyPatch) -> None:
    """A node tells clients that stanzas are safe when it has proposed them."""
    submit = LocalSession.submit

    def submit_and_settle(self: LocalSession, number: int, *rest: Any, **named: Any) -> None:
        submit(self, number, *rest, **named)
        self.advanced(number, self.replicated_acknowledged)

    patch.setattr(LocalSession, "submit", submit_and_settle)


def timers_that_are_early(patch: pytest.MonkeyPatch) -> None:
    """Messages disappear before their time."""
    carry_out = due.carry_out_due

    def carry_out_early(context: Context, action: Any) -> Any:
        time_ms = context.time_ms
        context.time_ms += 1000
        try:
            return carry_out(context, action)
        finally:
            context.time_ms = time_ms

    patch.setattr(apply, "_HANDLERS", {**apply._HANDLERS, CarryOutDue: carry_out_early})


@dataclass
class Broken:
    """A broken node, what clusters of it meet, and what is found then: one of these."""

    mutant: Callable[[pytest.MonkeyPatch], None]
    faults: Faults
    finds: tuple[str, ...]


BROKEN = [
    Broken(promises_before_durable, POWER, ("durable majority", "lacks a committed entry", "not the same")),
    Broken(barriers_that_wait_for_nothing, CUTS, ("stale read", "linearizable")),
    Broken(repeats_count_as_new, CUTS, ("doubled", "two stanza ids", "edge failed")),
    Broken(gaps_are_taken, LEADERS, ("lost", "out of order", "edge failed", "not in both", "undelivered")),
    Broken(apply_that_depends_on_the_process, CUTS, ("replicas differ",)),
    Broken(marks_that_say_too_much, CRASHES, ("undelivered",)),
    Broken(timers_that_are_early, CRASHES, ("disappeared before its time",)),
    Broken(counts_before_outcomes, AIMED, ("lost", "undelivered", "more is acknowledged")),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.mutant.__name__)
@pytest.mark.timeout(240)
def test_broken_nodes_are_found(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a few seeds."""
    broken.mutant(monkeypatch)
    found = []
    for seed in range(SEED_COUNT):
        world = World(seed, faults=broken.faults)
        try:
            world.run(SAFETY_NS, CONVERGENCE_NS)
        except Violation as violation:
            found.append(str(violation))
            if any(text in found[-1] for text in broken.finds):
                return
        finally:
            world.close()
    pytest.fail(f"{broken.mutant.__doc__} Nobody noticed in {SEED_COUNT} seeds: {found}")
