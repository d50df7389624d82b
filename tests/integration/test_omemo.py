"""Encryption from end to end between devices on different nodes, with a library that others wrote (XEP-0384)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from integration.cluster_process import Cluster, wait_until
from integration.omemo_client import Device, MemoryStorage, OmemoClient
from integration.xmpp_client import CONNECT_TIMEOUT_S
from integration.xmpp_raw import register

pytestmark = [
    pytest.mark.timeout(180),
    # How slixmpp-omemo reaches other plugins of slixmpp.
    pytest.mark.filterwarnings("ignore:Accessing plugins through the XMPP object:DeprecationWarning"),
]

PASSWORD = "the ring is in Mount Doom"
ANNA, BERT, CLEO = "anna@localhost", "bert@localhost", "cleo@localhost"
OPEN_WORDS = "what everyone may read 4711"


class People:
    """Devices, and who of them is online."""

    def __init__(self, cluster: Cluster, exits: contextlib.AsyncExitStack) -> None:
        self.cluster = cluster
        self._exits = exits
        self.secrets: list[str] = []

    async def online(self, device: Device, node_id: int) -> OmemoClient:
        """Bring a device online on a node."""
        client = OmemoClient(device, PASSWORD)
        self._exits.push_async_callback(client.log_out)
        await client.arrive(self.cluster.node(node_id).xmpp)
        return client

    async def tell(self, sender: OmemoClient, to: str, text: str, *readers: OmemoClient) -> None:
        """Write a secret, and wait until devices that are online have read it."""
        self.secrets.append(text)
        await sender.write_secretly(to, text)
        for reader in readers:
            await reader.wait_read(sender.boundjid.bare, text)


@pytest_asyncio.fixture
async def people(cluster: Cluster) -> AsyncIterator[People]:
    """Three accounts."""
    for name in ("anna", "bert", "cleo"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    async with contextlib.AsyncExitStack() as exits:
        yield People(cluster, exits)


async def wait_known(client: OmemoClient, jid: str, *devices: OmemoClient) -> None:
    """Wait until a client knows devices of an account."""
    wanted = {await device.own_device_id() for device in devices}

    async def probe() -> bool:
        return wanted <= await client.device_ids(jid)

    await wait_until(f"{client.boundjid} knows the devices of {jid}", probe, CONNECT_TIMEOUT_S)


def files_with(folder: Path, text: str) -> set[str]:
    """Return nodes below a folder that have a text in some file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).parts[0] for path in files if text.encode() in path.read_bytes()}


async def test_secrets_between_nodes(people: People) -> None:
    """
    Between contacts and strangers, to second devices on either side, to one that comes late, and past a dead leader.

    No node has a word of it on disk, in its database, its log or its messages.
    """
    cluster = people.cluster
    leader = await cluster.leader()
    first, second = sorted({1, 2, 3} - {leader})
    phone = await people.online(Device("anna", "phone", MemoryStorage()), first)
    tablet = Device("bert", "tablet", MemoryStorage())
    bert_tablet = await people.online(tablet, leader)
    bert_phone = Device("bert", "phone", MemoryStorage())
    bert = await people.online(bert_phone, second)
    await phone.add_contact(BERT)
    desk_device = Device("anna", "desk", MemoryStorage())
    desk = await people.online(desk_device, leader)
    await wait_known(phone, BERT, bert, bert_tablet)
    await wait_known(phone, ANNA, desk)
    await wait_known(bert, ANNA, phone, desk)

    await people.tell(phone, BERT, "the first secret 8472", bert, bert_tablet, desk)
    await people.tell(bert, ANNA, "the answer to it 1701", phone, desk, bert_tablet)

    # A device that is offline reads later what was encrypted for it meanwhile.
    await bert_tablet.log_out()
    await people.tell(phone, BERT, "for the tablet too 0815", bert, desk)
    bert_tablet = await people.online(tablet, first)
    assert (ANNA, "for the tablet too 0815") in await bert_tablet.read_archive()

    # So it is when nobody is there: who comes first gets it at once, the other finds it in the archive.
    await bert.log_out()
    await bert_tablet.log_out()
    await people.tell(phone, BERT, "while nobody is there 2718", desk)
    bert = await people.online(bert_phone, second)
    await bert.wait_read(ANNA, "while nobody is there 2718")
    bert_tablet = await people.online(tablet, first)
    assert (ANNA, "while nobody is there 2718") in await bert_tablet.read_archive()

    # Who is nobody's contact finds the keys as well: device lists and bundles are open.
    cleo = await people.online(Device("cleo", "phone", MemoryStorage()), second)
    await people.tell(cleo, BERT, "from a stranger 1234", bert, bert_tablet)
    await people.tell(bert, CLEO, "to a stranger 5678", cleo, bert_tablet)

    # The leader dies, with the desk on it, and secrets go on; the desk reads the archive on another node.
    await cluster.kill(leader)
    await people.tell(phone, BERT, "while a leader dies 9999", bert, bert_tablet)
    await desk.ended.wait()
    desk = await people.online(desk_device, second)
    assert (ANNA, "while a leader dies 9999") in await desk.read_archive()
    await people.tell(desk, BERT, "and afterwards 3141", bert, bert_tablet, phone)

    # What is not encrypted is there to be found, on every node that lives: so the search finds what there is.
    phone.say(BERT, OPEN_WORDS, "open")
    await bert.wait_received(OPEN_WORDS)
    await cluster.start_node(leader)
    await cluster.wait_healthy()
    await cluster.stop()
    nodes = {f"node{node_id}" for node_id in (1, 2, 3)}
    assert nodes <= files_with(cluster.data, OPEN_WORDS)
    for secret in people.secrets:
        assert files_with(cluster.data, secret) == set()
        assert files_with(cluster.log_folder, secret) == set()
