"""A command of a node's own that must have an outcome, such as an invitation: proposed under a key, and waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raftline.base.errors import OutcomeUnknown, Unavailable
from raftline.machine.commands import KeyOrigin

if TYPE_CHECKING:
    from raftline.cluster.driver import Driver
    from raftline.machine.commands import Action
    from raftline.machine.outcomes import CommandResult, Outcome


async def execute(driver: Driver, action: Action, key: bytes | None) -> Outcome:
    """
    Propose a command and wait for its outcome, for at most `timing.wait_ns`.

    Args:
        key: None for what is idempotent by nature.

    Raises:
        Unavailable: It certainly entered no log.
        OutcomeUnknown: It may yet take effect; a retry under the same key is told what happened.
    """
    done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def applied(result: CommandResult) -> None:
        if not done.done():
            done.set_result(result.outcome)

    ticket = driver.propose(action, None if key is None else KeyOrigin(key), applied)
    try:
        async with asyncio.timeout(driver.config.timing.wait_ns / 1e9):
            return await done
    except TimeoutError:
        if driver.forget(ticket):
            raise Unavailable("no quorum took the command in time") from None
        raise OutcomeUnknown("no outcome in time") from None
