"""An account leaves one cluster as a file of XEP-0227 and lives on in another one, though its leader dies."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from integration.archive import read_archive
from integration.cluster_process import Cluster, wait_until
from integration.xmpp_client import Client
from integration.xmpp_raw import NS_FORWARD, RawClient, register
from raftline.server.failures import ExitCode

pytestmark = pytest.mark.timeout(200)

PASSWORD = "packed-in-boxes"
PUBSUB = "http://jabber.org/protocol/pubsub"
MESSAGE_COUNT = 150
PATIENCE_S = 20.0
BOOKMARK = (
    f"<pubsub xmlns='{PUBSUB}'><publish node='urn:xmpp:bookmarks:1'><item id='den@conference.localhost'>"
    "<conference xmlns='urn:xmpp:bookmarks:1' name='Den'/></item></publish><publish-options>"
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
    f"<value>{PUBSUB}#publish-options</value></field>"
    "<field var='pubsub#access_model'><value>whitelist</value></field>"
    "<field var='pubsub#max_items'><value>max</value></field></x></publish-options></pubsub>"
)
SETS = (
    "<query xmlns='jabber:iq:roster'><item jid='bert@localhost' name='B &amp; B'><group>far</group></item></query>",
    "<vCard xmlns='vcard-temp'><FN>Anna Andersson</FN></vCard>",
    "<query xmlns='jabber:iq:private'><notes xmlns='test:notes'><note>milk</note></notes></query>",
    "<block xmlns='urn:xmpp:blocking'><item jid='pest@localhost'/></block>",
    BOOKMARK,
)
GETS = (
    "<query xmlns='jabber:iq:roster'/>",
    "<vCard xmlns='vcard-temp'/>",
    "<query xmlns='jabber:iq:private'><notes xmlns='test:notes'/></query>",
    "<blocklist xmlns='urn:xmpp:blocking'/>",
    f"<pubsub xmlns='{PUBSUB}'><items node='urn:xmpp:bookmarks:1'/></pubsub>",
    f"<pubsub xmlns='{PUBSUB}#owner'><configure node='urn:xmpp:bookmarks:1'/></pubsub>",
)


async def live(cluster: Cluster) -> None:
    """Let anna have one of everything, and bert write to her when she is gone."""
    for name in ("anna", "bert"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    async with RawClient() as anna:
        await anna.log_in(cluster.node(1).xmpp, "anna", PASSWORD)
        for payload in SETS:
            assert (await anna.ask("set", payload)).get("type") == "result", payload
        for number in range(MESSAGE_COUNT):
            anna.send_chat("bert@localhost", f"message {number}", f"anna-{number}")
        await anna.wait_acked(anna.sent_count)
    async with RawClient() as bert:
        await bert.log_in(cluster.node(1).xmpp, "bert", PASSWORD)
        bert.send_chat("anna@localhost", "where are you?", "bert-1")
        bert.send("<presence to='anna@localhost' type='subscribe'/>")
        await bert.wait_acked(bert.sent_count)


async def belongings(cluster: Cluster, node_id: int) -> tuple[list[str], list[tuple[str, str, str]], list[str]]:
    """Return what anna's clients are told of her things, her archive, and when its messages were sent."""
    async with RawClient() as anna:
        await anna.log_in(cluster.node(node_id).xmpp, "anna", PASSWORD)
        told = []
        for payload in GETS:
            answer = await anna.ask("get", payload)
            assert answer.get("type") == "result", payload
            told.append(re.sub(r' ver="\d+"', "", ET.tostring(answer[0]).decode()))
        times: list[str] = []
        anna.on_stanza = lambda stanza: times.extend(
            delay.get("stamp", "") for delay in stanza.iterfind(f".//{{{NS_FORWARD}}}forwarded/{{urn:xmpp:delay}}delay")
        )
        rows = await read_archive(anna)
    return told, [(row.sender, row.recipient, row.body) for row in rows], times


async def test_an_account_moves(cluster_folder: Path) -> None:
    """
    Export at one cluster; import at another one while its leader is killed; what clients see is the same.

    The import goes on where it was cut short, and nothing is there twice; the account cannot be made a second time.
    """
    file = cluster_folder / "anna.xml"
    async with Cluster(cluster_folder / "old", 1) as old:
        await live(old)
        done = await old.command("user", "export", "anna", "--output", str(file), "--data", str(old.data))
        assert done.returncode == 0, done.stderr
        assert "login tokens" in done.stdout
        missing = await old.command("user", "export", "nobody", "--output", str(file), "--data", str(old.data))
        assert missing.returncode == ExitCode.REFUSED
        before = await belongings(old, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    async with Cluster(cluster_folder / "new") as new:
        target = ("--input", str(file), "--data", str(new.data))
        importing = asyncio.create_task(new.command("user", "import", *target))
        leader = await new.leader()
        await new.kill(leader, signal.SIGKILL)
        first = await importing
        again = await new.command("user", "import", *target)
        assert again.returncode == ExitCode.REFUSED, (first, again)
        assert "account of this name" in again.stderr
        finished = await new.command("user", "import", *target, "--go-on")
        assert finished.returncode == 0, finished.stderr
        assert f"{MESSAGE_COUNT + 1} of kind archived" in finished.stdout
        left = next(node_id for node_id in new.node_ids if node_id != leader)
        assert await belongings(new, left) == before
        anna = Client("anna", PASSWORD)
        await anna.log_in(new.node(left).xmpp)
        received = await anna.wait_received("where are you?")
        assert received.is_delayed

        async def has_answered() -> bool:
            """The library grants every request that it is shown."""
            return anna.client_roster["bert@localhost"]["subscription"] == "from"

        await wait_until("bert's request granted", has_answered, PATIENCE_S)
        await anna.log_out()
