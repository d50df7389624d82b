"""Whose data a directory holds: founding, joining, coming back, and all that is refused before a log is opened."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from cluster.certificates import Authority
from cluster.clusters import CLUSTER_ID, Cluster, ClusterNode, until
from raftline.base.errors import ConfigError, StorageCorrupt, StorageError
from raftline.base.ids import NodeId
from raftline.cluster.identity import IDENTITY_FILE, Identity, read_identity, write_identity
from raftline.cluster.links import LinkContexts
from raftline.machine.versions import NODE_PROFILES_SINCE
from raftline.raft.membership import NOBODY, Member, Membership, initial_membership
from raftline.server import founding
from raftline.server.config import NodeSettings
from raftline.server.config_file import build_settings
from raftline.server.failures import ExitCode, Failure
from raftline.server.founding import KeptIdentity, configured_peers, found, settle_identity
from server.settings_values import raw_settings

WHOLE_TOKEN = "ab" * 32


def settings_in(folder: Path, node_count: int = 3, **cluster: object) -> NodeSettings:
    """Settings of node 1 whose data lie in a folder of their own."""
    raw = raw_settings(node_count)
    raw["cluster"] |= cluster
    return build_settings(raw, folder, {})


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> LinkContexts:
    """Of a node that nobody has to know."""
    return Authority(tmp_path_factory.mktemp("keys")).issue("1").contexts()


def log_of_the_first_release(data_dir: Path) -> None:
    """A directory with a log, that does not say whose it is."""
    log = data_dir / "log"
    log.mkdir(parents=True)
    (log / "wal-0000000001-00000000000000000001").write_bytes(b"")


class TestFound:
    """`raftline node init`."""

    @pytest.mark.parametrize("node_count", [1, 3])
    def test_an_empty_directory_gets_an_owner(self, tmp_path: Path, node_count: int) -> None:
        """One of all founders; with data that nobody else has, of which nobody may read."""
        settings = settings_in(tmp_path / "new", node_count)
        identity = found(settings)
        assert read_identity(settings.data_dir) == identity
        assert (identity.cluster_id, identity.node_id) == ("a cluster", 1)
        assert identity.peers == configured_peers(settings)
        assert identity.is_founder
        assert identity.is_alone == (node_count == 1)
        assert not identity.has_begun
        assert len(bytes.fromhex(identity.data_id)) == 16
        assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
        assert found(settings_in(tmp_path / "other", node_count)).data_id != identity.data_id

    def test_data_that_are_there_stay(self, tmp_path: Path) -> None:
        """Whosever they are; the refusal names the owner, if he is known."""
        settings = settings_in(tmp_path)
        found(settings)
        before = (settings.data_dir / IDENTITY_FILE).read_bytes()
        for again in (settings, settings_in(tmp_path, id="another cluster")):
            with pytest.raises(Failure, match="node 1 of cluster a cluster; it stays as it is") as caught:
                found(again)
            assert caught.value.code is ExitCode.REFUSED
        assert (settings.data_dir / IDENTITY_FILE).read_bytes() == before

    def test_a_log_without_an_owner_stays(self, tmp_path: Path) -> None:
        """A directory of the first release is no empty one."""
        settings = settings_in(tmp_path)
        log_of_the_first_release(settings.data_dir)
        with pytest.raises(Failure, match="holds the data of a node"):
            found(settings)
        assert read_identity(settings.data_dir) is None


class TestSettle:
    """What a start finds."""

    async def test_an_owner_goes_on(self, tmp_path: Path, contexts: LinkContexts) -> None:
        """Nothing is written, and nobody is asked."""
        settings = settings_in(tmp_path)
        identity = found(settings)
        file = settings.data_dir / IDENTITY_FILE
        before = file.stat().st_mtime_ns
        assert await settle_identity(settings, contexts) == identity
        assert file.stat().st_mtime_ns == before

    async def test_a_directory_of_the_first_release_gets_one(self, tmp_path: Path, contexts: LinkContexts) -> None:
        """A founder's, of the nodes that the settings name; the next start finds the same."""
        settings = settings_in(tmp_path)
        log_of_the_first_release(settings.data_dir)
        identity = await settle_identity(settings, contexts)
        assert identity.is_founder
        assert identity.peers == configured_peers(settings)
        assert await settle_identity(settings, contexts) == identity == read_identity(settings.data_dir)

    @pytest.mark.parametrize("change", [{"id": "another cluster"}, {"node_id": 2}], ids=str)
    async def test_data_of_another_node_are_left_alone(
        self, tmp_path: Path, contexts: LinkContexts, change: dict[str, object]
    ) -> None:
        """Of another cluster, or another one of this; both are named."""
        identity = found(settings_in(tmp_path))
        settings = settings_in(tmp_path, **change)
        with pytest.raises(
            StorageError, match=r"node 1 of cluster a cluster, this is .* Nothing was changed"
        ) as caught:
            await settle_identity(settings, contexts)
        assert not isinstance(caught.value, StorageCorrupt)
        assert read_identity(settings.data_dir) == identity

    async def test_an_epoch_that_was_left_is_refused(self, tmp_path: Path, contexts: LinkContexts) -> None:
        """Stanza ids of it were given out by a history that this node has left."""
        identity = msgspec.structs.replace(found(settings_in(tmp_path)), epoch_min=3)
        write_identity(settings_in(tmp_path).data_dir, identity)
        with pytest.raises(ConfigError, match="must be 3 or more") as caught:
            await settle_identity(settings_in(tmp_path, epoch=2), contexts)
        assert caught.value.path == "cluster.epoch"
        assert await settle_identity(settings_in(tmp_path, epoch=3), contexts) == identity

    async def test_an_empty_directory_is_refused(self, tmp_path: Path, contexts: LinkContexts) -> None:
        """With what to do about it: it may be new, or one that was lost. Nothing is written."""
        settings = settings_in(tmp_path)
        settings.data_dir.mkdir()
        with pytest.raises(Failure, match="raftline node init --config FILE") as caught:
            await settle_identity(settings, contexts)
        assert caught.value.code is ExitCode.REFUSED
        assert "raftline cluster replace 1" in str(caught.value)
        assert list(settings.data_dir.iterdir()) == []

    @pytest.mark.parametrize(
        ("content", "text"),
        [(None, "cannot be read"), ("no hexadecimal digits", "holds no token"), ("", "single line")],
    )
    async def test_a_token_that_is_none_is_a_wrong_setting(
        self, tmp_path: Path, contexts: LinkContexts, content: str | None, text: str
    ) -> None:
        """It is named, and nothing is written."""
        settings = settings_in(tmp_path, join_token_file="join.token")
        settings.data_dir.mkdir()
        if content is not None:
            (tmp_path / "join.token").write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match=text) as caught:
            await settle_identity(settings, contexts)
        assert caught.value.path == "cluster.join_token_file"
        assert list(settings.data_dir.iterdir()) == []

    async def test_there_must_be_somebody_to_ask(self, tmp_path: Path, contexts: LinkContexts) -> None:
        """Settings that name this node alone cannot lead to a cluster."""
        settings = settings_in(tmp_path, 1, join_token_file="join.token")
        settings.data_dir.mkdir()
        (tmp_path / "join.token").write_text(WHOLE_TOKEN, encoding="utf-8")
        with pytest.raises(ConfigError, match="names no other node") as caught:
            await settle_identity(settings, contexts)
        assert caught.value.path == "cluster.peers"

    async def test_a_damaged_file_is_damage(self, tmp_path: Path, contexts: LinkContexts) -> None:
        """It is not taken for an empty directory, which a token would let in once more."""
        settings = settings_in(tmp_path, join_token_file="join.token")
        found(settings)
        file = settings.data_dir / IDENTITY_FILE
        file.write_bytes(file.read_bytes()[:-20])
        with pytest.raises(StorageCorrupt, match=IDENTITY_FILE):
            await settle_identity(settings, contexts)

    async def test_a_file_of_a_later_release_is_left_alone(self, tmp_path: Path, contexts: LinkContexts) -> None:
        """Whatever else it says."""
        settings = settings_in(tmp_path)
        settings.data_dir.mkdir()
        file = settings.data_dir / IDENTITY_FILE
        file.write_text(json.dumps({"format": 2, "unheard_of": 1}), encoding="utf-8")
        with pytest.raises(StorageError, match="format 2") as caught:
            await settle_identity(settings, contexts)
        assert not isinstance(caught.value, StorageCorrupt)
        assert json.loads(file.read_text(encoding="utf-8")) == {"format": 2, "unheard_of": 1}


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """One node, which may let others in."""
    cluster = Cluster(tmp_path, 1)
    await cluster.start()
    try:
        await until(lambda: cluster.leader.machine.machine_version >= NODE_PROFILES_SINCE)
        yield cluster
    finally:
        await cluster.stop()


class TestJoin:
    """A new node asks a real one."""

    def settings_of(self, folder: Path, node: ClusterNode, token: str) -> NodeSettings:
        """As its operator would write them."""
        (folder / "join.token").write_text(f"{token}\n", encoding="utf-8")
        peers = [
            {
                "node_id": node_id,
                "host": peer.host,
                "port": peer.port,
                "fingerprint": peer.fingerprint,
                "http_url": "https://somewhere",
            }
            for node_id, peer in node.config.peers.items()
        ]
        return settings_in(
            folder, id=CLUSTER_ID, node_id=node.config.node_id, peers=peers, join_token_file="join.token"
        )

    async def test_it_is_let_in(self, cluster: Cluster, tmp_path: Path) -> None:
        """It knows whom to talk to, and is settled: the next start asks nobody, with or without the token."""
        node, token = await cluster.invite()
        (tmp_path / "new").mkdir()
        settings = self.settings_of(tmp_path / "new", node, token.hex())
        settings.data_dir.mkdir()
        identity = await settle_identity(settings, node.identity.contexts())
        assert identity.is_settled
        assert not identity.is_founder
        assert not identity.is_alone
        assert identity.peers == node.config.peers
        assert read_identity(settings.data_dir) == identity
        await cluster.stop()
        (tmp_path / "new" / "join.token").unlink()
        assert await settle_identity(settings, node.identity.contexts()) == identity

    async def test_a_refusal_is_told_and_may_be_followed_by_a_better_token(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        """The data are the same ones the second time: a crash on the way makes no other node of it."""
        node, token = await cluster.invite()
        (tmp_path / "new").mkdir()
        settings = self.settings_of(tmp_path / "new", node, WHOLE_TOKEN)
        settings.data_dir.mkdir()
        with pytest.raises(Failure, match=r"does not let this node in: .*raftline cluster add") as caught:
            await settle_identity(settings, node.identity.contexts())
        assert caught.value.code is ExitCode.REFUSED
        first = read_identity(settings.data_dir)
        assert first is not None
        assert not first.is_settled
        settings = self.settings_of(tmp_path / "new", node, token.hex())
        identity = await settle_identity(settings, node.identity.contexts())
        assert identity.data_id == first.data_id
        assert identity.is_settled


def membership_of(*voters: int) -> Membership:
    return initial_membership(Member(NodeId(node_id), f"host:{node_id}") for node_id in voters)


class Chores:
    """Runs a task when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Coroutine[None, None, None]] = []

    def begin(self, work: Coroutine[None, None, None], name: str) -> None:
        assert name == "identity"
        self.waiting.append(work)

    async def run(self) -> None:
        while self.waiting:
            await self.waiting.pop(0)


class TestKeptIdentity:
    """What a running node writes down of itself."""

    @pytest.fixture
    def identity(self, tmp_path: Path) -> Identity:
        return found(settings_in(tmp_path))

    @pytest.fixture
    def data_dir(self, tmp_path: Path) -> Path:
        return settings_in(tmp_path).data_dir

    @pytest.fixture
    def writes(self, monkeypatch: pytest.MonkeyPatch) -> list[Identity]:
        """What is written, in order."""
        written: list[Identity] = []
        write: Callable[[Path, Identity], None] = founding.write_identity

        def note(data_dir: Path, identity: Identity) -> None:
            written.append(identity)
            write(data_dir, identity)

        monkeypatch.setattr(founding, "write_identity", note)
        return written

    def test_a_log_is_begun_once(self, data_dir: Path, identity: Identity, writes: list[Identity]) -> None:
        """Before it is: from now on it may not be missing. A later life has nothing to write."""
        kept = KeptIdentity(data_dir, identity, Chores().begin)
        kept.begun()
        kept.begun()
        assert len(writes) == 1
        known = read_identity(data_dir)
        assert known == msgspec.structs.replace(identity, has_begun=True)
        KeptIdentity(data_dir, known, Chores().begin).begun()
        assert len(writes) == 1

    async def test_who_is_left_alone_is_noted(self, data_dir: Path, identity: Identity, writes: list[Identity]) -> None:
        """And who the others are; a membership that changes nothing writes nothing, nor one without this node."""
        chores = Chores()
        kept = KeptIdentity(data_dir, identity, chores.begin)
        kept.begun()
        steps: list[tuple[Any, bool, list[int]]] = [
            (membership_of(1, 2, 3), False, [1, 2, 3]),
            (membership_of(1), True, [1]),
            (membership_of(1), True, [1]),
            (membership_of(1, 4), False, [1, 4]),
            (membership_of(2, 3), False, [1, 4]),
        ]
        for membership, is_alone, node_ids in steps:
            kept.follow(membership)
            await chores.run()
            known = read_identity(data_dir)
            assert known is not None
            assert (known.is_alone, known.has_begun) == (is_alone, True)
            assert sorted(known.others_known) == node_ids
        assert len(writes) == 4

    async def test_who_knows_no_member_yet_is_not_alone(self, data_dir: Path, identity: Identity) -> None:
        """A node that joins begins with an empty log: that nobody votes there says nothing of the others."""
        chores = Chores()
        kept = KeptIdentity(data_dir, identity, chores.begin)
        kept.follow(NOBODY)
        await chores.run()
        known = read_identity(data_dir)
        assert known is not None
        assert not known.is_alone

    async def test_what_changes_during_a_write_is_written_after_it(
        self, data_dir: Path, identity: Identity, writes: list[Identity], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One write at a time, and the last word is what stays."""
        chores = Chores()
        kept = KeptIdentity(data_dir, identity, chores.begin)
        begin_thread = asyncio.to_thread

        async def change_meanwhile(function: Callable[..., None], *arguments: object) -> None:
            await begin_thread(function, *arguments)
            if len(writes) == 1:
                kept.follow(membership_of(1, 2))

        monkeypatch.setattr(asyncio, "to_thread", change_meanwhile)
        kept.follow(membership_of(1))
        assert len(chores.waiting) == 1
        await chores.run()
        assert [identity.is_alone for identity in writes] == [True, False]
        known = read_identity(data_dir)
        assert known is not None
        assert not known.is_alone
