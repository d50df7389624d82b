"""
Commands of this node that have no outcome yet: what is sent, what is sent again, what is surely in no log. Pure.

A *round* is one pass over all unresolved commands, in order, towards one leader of one term. It starts over from the
oldest unresolved command whenever something on the way may have been lost: another leader, another term, the link to
the leader came up. Within a round nothing is left out. A leader that refuses one frame refuses the rest of its round;
what it took before it has, so after a busy leader's refusal the next round begins with what was refused. So in every
log, a command follows its predecessors of the same node, and apply, which knows repeats by session and number or by
key, takes each once and in order. A repeat of what is resolved here is ignored.

Decided against: acknowledgement of frames by the leader. The outcome is the acknowledgement; a lost frame means a lost
connection, which both sides notice.
"""

from __future__ import annotations

from collections.abc import Callable

from raftline.base.errors import Busy
from raftline.machine.outcomes import CommandResult

NOT_SENT = 0
"""Round of a command that certainly entered no log."""


class Proposal:
    """
    One command on its way.

    Attributes:
        first_round: Round in which it first left for a log; `NOT_SENT` while it certainly entered none.
        resolved: It has its outcome, or nobody waits for it any more.
    """

    __slots__ = ("command", "created_ns", "first_round", "on_result", "resolved", "ticket")

    def __init__(
        self, ticket: int, command: bytes, created_ns: int, on_result: Callable[[CommandResult], None] | None
    ) -> None:
        self.ticket = ticket
        self.command = command
        self.created_ns = created_ns
        self.on_result = on_result
        self.first_round = NOT_SENT
        self.resolved = False


class PendingProposals:
    """
    The unresolved commands of this node, by ticket.

    Attributes:
        byte_count: Their encoded size.
        round: The present one, from 1.
        resolved_count: How many were resolved so far.
    """

    def __init__(self, *, count_max: int, bytes_max: int) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._pending: dict[int, Proposal] = {}
        self._unsent: list[Proposal] = []
        self._next_ticket = 1
        self.byte_count = 0
        self.round = 1
        self.resolved_count = 0

    def __len__(self) -> int:
        return len(self._pending)

    def require_room(self) -> None:
        """
        Check that one more command may be added.

        Raises:
            Busy: The bound on count or bytes is reached.
        """
        if len(self._pending) >= self._count_max or self.byte_count >= self._bytes_max:
            raise Busy(f"{len(self._pending)} commands of this node wait for their outcome")

    def next_ticket(self) -> int:
        """Return a ticket never given out before."""
        ticket = self._next_ticket
        self._next_ticket = ticket + 1
        return ticket

    def add(self, proposal: Proposal) -> None:
        """Take a command; tickets are added in the order they were given out."""
        self._pending[proposal.ticket] = proposal
        self._unsent.append(proposal)
        self.byte_count += len(proposal.command)

    def resolve(self, ticket: int) -> Proposal | None:
        """Return the command that has its outcome now; None if it is resolved already."""
        proposal = self._pending.pop(ticket, None)
        if proposal is not None:
            proposal.resolved = True
            self.resolved_count += 1
            self.byte_count -= len(proposal.command)
        return proposal

    def forget(self, ticket: int) -> bool:
        """
        Stop sending a command whose outcome nobody waits for any more.

        Only for commands without a session: a later command of the same session would find a gap.

        Returns: True if it certainly entered no log; False if it may yet take effect.
        """
        proposal = self.resolve(ticket)
        return proposal is not None and proposal.first_round == NOT_SENT

    def restart(self, first_ticket: int = 0) -> None:
        """
        Begin a new round: everything unresolved is to be sent again, in order.

        Args:
            first_ticket: Leave out what comes before; only where the leader is known to have that.
        """
        self.round += 1
        self._unsent = [proposal for proposal in self._pending.values() if proposal.ticket >= first_ticket]

    @property
    def has_unsent(self) -> bool:
        """Something waits to be sent in this round."""
        return bool(self._unsent)

    def take_unsent(self, count_max: int, bytes_max: int) -> list[Proposal]:
        """
        Take the next commands of this round, at least one if there is any.

        Whoever takes them either sends them and calls `mark_sent`, or calls `untake`.
        """
        taken: list[Proposal] = []
        size = 0
        place = 0
        for proposal in self._unsent:
            if taken and (len(taken) >= count_max or size + len(proposal.command) > bytes_max):
                break
            place += 1
            if not proposal.resolved:
                size += len(proposal.command)
                taken.append(proposal)
        del self._unsent[:place]
        return taken

    def untake(self, proposals: list[Proposal]) -> None:
        """Put commands back, in front of the others, that could not be sent."""
        self._unsent[:0] = proposals

    def mark_sent(self, proposals: list[Proposal]) -> None:
        """Note that these may be in a log from now on."""
        for proposal in proposals:
            if proposal.first_round == NOT_SENT:
                proposal.first_round = self.round

    def refused(self, round_number: int, first_ticket: int) -> None:
        """Note that commands of this round, from this ticket on, entered no log."""
        for ticket, proposal in self._pending.items():
            if ticket >= first_ticket and proposal.first_round == round_number:
                proposal.first_round = NOT_SENT

    def oldest_ns(self) -> int | None:
        """Return when the oldest unresolved command was made; None if there is none."""
        for proposal in self._pending.values():
            return proposal.created_ns
        return None
