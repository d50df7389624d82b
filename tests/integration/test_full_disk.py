"""A full disk: clear refusals, no damage, and service again as soon as there is space."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.archive import check_exactly_once, read_archive
from integration.cluster_process import Cluster, wait_until
from integration.xmpp_raw import NS_CLIENT, NS_STANZA_ERROR, RawClient, StreamEndedError, condition_of, register

pytestmark = pytest.mark.timeout(240)

DISK_BYTES = 200 << 20
BODY_BYTES = 100_000
MESSAGE_COUNT_MAX = 3000
ANSWER_TIMEOUT_S = 15.0
RECOVERY_TIMEOUT_S = 60.0
FILL_BYTES = 1 << 20
FILL_AFTER_COUNT = 20


@pytest.fixture
def small_disk(cluster_folder: Path) -> Iterator[Path]:
    """A file system of its own, of 200 MiB; needs the right to mount one."""
    folder = cluster_folder / "small"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_refuses_clearly_and_recovers(cluster_folder: Path, small_disk: Path) -> None:
    """Messages are refused, not lost, while the disk is full; after space is made the node goes on with all it had."""
    filler = small_disk / "filler"
    async with Cluster(cluster_folder, node_count=1, data=small_disk / "data") as single:
        port = single.node(1).xmpp
        await register(port, "anna", "secret-1")
        acknowledged = await write_until_refused(port, filler, single.log_tail)
        assert not await single.is_ready(1), "a node that takes no messages calls itself ready"
        assert not await is_acknowledged(port, "refused"), "taken without space"
        filler.unlink()

        async def is_served() -> bool:
            return await is_acknowledged(port, "after")

        await wait_until("service after space was made", is_served, RECOVERY_TIMEOUT_S, interval_s=0.5)
        await expect_archive(port, [*acknowledged, "after"])
        await single.stop()
        await single.start()
        await expect_archive(port, [*acknowledged, "after"])


def fill(filler: Path) -> None:
    """Take all space there is."""
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(FILL_BYTES)):
                pass
        except OSError:
            return


async def write_until_refused(port: int, filler: Path, log_tail: Callable[[], str]) -> list[str]:
    """
    Write large messages, fill the disk meanwhile, and go on until one is refused. Silence is no refusal.

    Returns: What was acknowledged.
    """
    acknowledged: list[str] = []
    async with RawClient() as anna:
        await anna.log_in(port, "anna", "secret-1")
        for number in range(MESSAGE_COUNT_MAX):
            if number == FILL_AFTER_COUNT:
                fill(filler)
            origin_id = f"large-{number}"
            count = anna.send_chat("anna@localhost", f"{number} " + "x" * BODY_BYTES, origin_id)
            refusal = await wait_answered(anna, count, origin_id)
            if refusal is not None:
                assert refusal == "resource-constraint", f"{anna.end_reason}\n{log_tail()}"
                return acknowledged
            acknowledged.append(origin_id)
    raise AssertionError("the disk never became full")


async def wait_answered(client: RawClient, count: int, stanza_id: str) -> str | None:
    """Wait until a message is acknowledged (returns None) or refused, by itself or with the whole stream."""

    async def is_answered() -> bool:
        return client.acked_count >= count or client.is_over or refusal_of(client, stanza_id) is not None

    await wait_until(f"an answer to {stanza_id}", is_answered, ANSWER_TIMEOUT_S, interval_s=0.001)
    return refusal_of(client, stanza_id) or (client.stream_error or client.end_reason if client.is_over else None)


def refusal_of(client: RawClient, stanza_id: str) -> str | None:
    """The condition with which a message came back, if it did."""
    for stanza in client.stanzas:
        error = stanza.find(f"{{{NS_CLIENT}}}error")
        if stanza.get("id") == stanza_id and error is not None:
            return condition_of(error, NS_STANZA_ERROR)
    return None


async def is_acknowledged(port: int, origin_id: str) -> bool:
    """Whether a small message is taken now."""
    async with RawClient() as anna:
        try:
            await anna.log_in(port, "anna", "secret-1")
            await anna.wait_acked(anna.send_chat("anna@localhost", origin_id, origin_id))
        except (OSError, StreamEndedError, AssertionError):
            return False
        return refusal_of(anna, origin_id) is None


async def expect_archive(port: int, origin_ids: list[str]) -> None:
    """All of these are archived, once each."""
    async with RawClient() as anna:
        await anna.log_in(port, "anna", "secret-1")
        check_exactly_once(await read_archive(anna), origin_ids, "anna")
