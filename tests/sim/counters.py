"""What happened in a run, so that nobody takes a simulation in which nothing happens for a proof."""

from __future__ import annotations

from dataclasses import dataclass, fields

REQUIRED = (
    "election_count",
    "take_over_count",
    "torn_write_count",
    "crash_count",
    "snapshot_count",
    "membership_change_count",
    "repair_count",
)
"""What a number of seeds must have seen between them."""


@dataclass
class Counters:
    """
    Of one run, or of several together.

    Attributes:
        election_count: Leaders that came to lead.
        crash_count: Processes that died without a farewell, with or without the power; `power_failure_count` are those
            that took the machine along, `aimed_crash_count` those right after a promise.
        torn_write_count: Starts that found a torn tail in the log.
        take_over_count: Sessions that were resumed on another node than the one that held them.
        acknowledged_count: Messages whose senders were told that they are safe.
        lost_refusal_count: Errors that were lost with a stream, while `h` went on over what they refused.
        retraction_count: Those among them that take another one back.
        disappeared_count: Archived messages that had lost their content because their time was over, on each node.
        delivered_count: Messages that reached a device, repeats left out.
        heard_count: Messages of the room that reached a session, history left out.
        read_count: Linearizable reads of a register; `barrier_count` are all barriers that were passed.
        snapshot_count: Snapshots that took the place of a database.
        membership_change_count: Memberships that were committed, joint ones too.
        lost_node_count: Nodes that lost their data for good.
        damage_count, repair_count: Nodes whose durable bytes were altered; that got back from peers what they lost.
    """

    event_count: int = 0
    client_operation_count: int = 0
    election_count: int = 0
    crash_count: int = 0
    power_failure_count: int = 0
    aimed_crash_count: int = 0
    graceful_stop_count: int = 0
    pause_count: int = 0
    cut_count: int = 0
    flap_count: int = 0
    disk_stall_count: int = 0
    disk_error_count: int = 0
    squeeze_count: int = 0
    clock_jump_count: int = 0
    torn_write_count: int = 0
    take_over_count: int = 0
    acknowledged_count: int = 0
    retraction_count: int = 0
    disappeared_count: int = 0
    lost_refusal_count: int = 0
    delivered_count: int = 0
    heard_count: int = 0
    read_count: int = 0
    barrier_count: int = 0
    snapshot_count: int = 0
    membership_change_count: int = 0
    lost_node_count: int = 0
    damage_count: int = 0
    repair_count: int = 0

    def add(self, other: Counters) -> None:
        """Add those of another run."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def missing(self) -> list[str]:
        """Return what should have happened and did not."""
        return [name for name in REQUIRED if not getattr(self, name)]

    def as_text(self) -> str:
        """Return all that is not zero, in one line."""
        counts = ((field.name.removesuffix("_count"), getattr(self, field.name)) for field in fields(self))
        return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts if count)
