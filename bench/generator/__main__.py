"""The generator process: a task as JSON on standard input, what it measured as JSON on standard output."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
from collections.abc import Awaitable, Callable

import msgspec
import uvloop

from bench.generator import accounts, acknowledgements, chat, crowd, groups, history, programs, rooms, sessions
from bench.generator.stream import NotOfferedError
from bench.task import Kind, Measured, Task

NOT_OFFERED_EXIT = 4
"""The server does not offer what the task asks for; its name is on standard error."""

WORK: dict[Kind, Callable[[Task], Awaitable[Measured]]] = {
    Kind.REGISTER: accounts.register,
    Kind.CHAT: chat.chat,
    Kind.OPEN_LOOP: chat.open_loop,
    Kind.ACKNOWLEDGEMENTS: acknowledgements.acknowledgements,
    Kind.LOGINS: sessions.logins,
    Kind.IDLE: sessions.idle,
    Kind.HISTORY: history.history,
    Kind.ROOM: rooms.room,
    Kind.CROWD: crowd.crowd,
    Kind.GROUP: groups.group,
    Kind.SENDS: programs.sends,
    Kind.SENDS_OPEN: programs.sends_at_a_rate,
    Kind.INCOMING: programs.incoming,
}


async def carry_out(task: Task) -> Measured:
    """Do the task."""
    return await WORK[task.kind](task)


def main() -> int:
    """Carry out one task."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Nothing here makes cycles worth collecting within minutes, and a collection would be taken for latency.
    gc.disable()
    measured = None
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            measured = runner.run(carry_out(task))
    except* NotOfferedError as group:
        print(group.exceptions[0], file=sys.stderr)
    if measured is None:
        return NOT_OFFERED_EXIT
    sys.stdout.buffer.write(msgspec.json.encode(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
