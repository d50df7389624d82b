"""
A stream of small messages through one node, in a process of its own, to see when commits happen.

Run as `python -m integration.commit_probe PORT USERNAME PASSWORD RUN`; speaks lines with the test:

    probe: warm                     acknowledgements flow
    test:  killed SECONDS           a node was killed at this monotonic time (one clock for all processes of a machine)
    probe: commit SECONDS           when a message that was sent after it was first acknowledged
    test:  (end of input)
    probe: acknowledged ID ...      all messages that were acknowledged, then the process ends

A process of its own, because the clients in the test's process compute while they log in again, which would be
measured too.
"""

from __future__ import annotations

import asyncio
import sys
import time

from integration.xmpp_raw import RawClient, StreamEndedError

SEND_INTERVAL_S = 0.004
WARM_COUNT = 5
SINK = "sink@localhost"


class CommitProbe:
    """Sends at a steady pace whatever comes back, and notes when what was acknowledged."""

    def __init__(self, username: str, run_name: str) -> None:
        self.username = username
        self.run_name = run_name
        self.client = RawClient()
        self.sent_at: list[float] = []  # of message n + 1
        self.acked_at: list[tuple[int, float]] = []  # (count, moment)
        self.killed_at: float | None = None
        self.is_reported = False

    def name(self, number: int) -> str:
        """Origin-id of a message, from 1."""
        return f"{self.username}-{self.run_name}-{number}"

    async def send(self) -> None:
        """Send until cancelled or until the stream ends."""
        while not self.client.is_over:
            origin_id = self.name(len(self.sent_at) + 1)
            self.sent_at.append(time.monotonic())
            self.client.send_chat(SINK, origin_id, origin_id)
            await asyncio.sleep(SEND_INTERVAL_S)

    def take_ack(self, count: int) -> None:
        """Note an acknowledgement and say what the test waits for."""
        self.acked_at.append((count, time.monotonic()))
        if len(self.acked_at) == WARM_COUNT:
            say("warm")
        self.report()

    def report(self) -> None:
        """Say when the first message that was sent after the kill was acknowledged, once."""
        if self.killed_at is None or self.is_reported:
            return
        first_count = next((place for place, sent in enumerate(self.sent_at, start=1) if sent > self.killed_at), None)
        if first_count is None:
            return
        moment = next((moment for count, moment in self.acked_at if count >= first_count), None)
        if moment is not None:
            self.is_reported = True
            say(f"commit {moment!r}")

    async def run(self, port: int, password: str) -> None:
        """Log in, send, obey the test, and tell at the end what was acknowledged."""
        self.client.on_ack = self.take_ack
        await self.client.log_in(port, self.username, password)
        sender = asyncio.get_running_loop().create_task(self.send())
        while line := await asyncio.to_thread(sys.stdin.readline):
            self.killed_at = float(line.removeprefix("killed "))
            self.report()
        sender.cancel()
        try:
            await self.client.wait_acked(self.client.sent_count)
        except StreamEndedError as error:
            print(f"{self.username}: {error}", file=sys.stderr)
        names = (self.name(number) for number in range(1, self.client.acked_count + 1))
        say(" ".join(("acknowledged", *names)))
        await self.client.close()


def say(line: str) -> None:
    """Tell the test."""
    print(line, flush=True)


if __name__ == "__main__":
    asyncio.run(CommitProbe(sys.argv[2], sys.argv[4]).run(int(sys.argv[1]), sys.argv[3]))
