"""`raftline node init`: how a cluster is founded in production, and what it never does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from raftline.cluster.identity import read_identity
from raftline.server.config import NodeSettings
from raftline.server.development_layout import lay_out, settings_file, settle_parameters
from server.node_commands import commands, free_base_port, get, until


def settings_of(folder: Path, nodes: int) -> list[NodeSettings]:
    """The settings of nodes whose data directories do not exist yet; everything that they name does."""
    directory = folder / "cluster"
    parameters = settle_parameters(directory, nodes, free_base_port(nodes), None)
    layout = lay_out(directory, parameters, open_registration=False, allow_plaintext=True)
    for settings in layout.settings:
        shutil.rmtree(settings.data_dir)
    return list(layout.settings)


def file_of(folder: Path, node_id: int) -> Path:
    return settings_file(folder / "cluster", node_id)


async def test_an_empty_directory_is_prepared(tmp_path: Path) -> None:
    """Of this node alone; it says with whom it founds the cluster, and what to do next."""
    first, second = settings_of(tmp_path, 2)
    async with commands(tmp_path) as started:
        code, said = await started.run("node", "init", "--config", str(file_of(tmp_path, 1)))
    assert code == 0, said
    assert said == "Node 1 may now found the cluster of nodes 1, 2: start all of them.\n"
    identity = read_identity(first.data_dir)
    assert identity is not None
    assert (identity.node_id, sorted(identity.peers), identity.has_begun) == (1, [1, 2], False)
    assert not second.data_dir.exists()


async def test_help_says_for_whom_it_is_not(tmp_path: Path) -> None:
    """With an example of this very command, and what to do with a node that lost its data instead."""
    async with commands(tmp_path) as started:
        code, said = await started.run("node", "init", "--help")
    assert code == 0
    assert "raftline cluster replace" in said
    example = " ".join(said.partition("Example:")[2].split())
    assert example.startswith("raftline node init --config")


async def test_data_that_are_there_stay(tmp_path: Path) -> None:
    """Exit code 1 the second time, and for a directory with a log that does not say whose it is."""
    first, second = settings_of(tmp_path, 2)
    async with commands(tmp_path) as started:
        await started.run("node", "init", "--config", str(file_of(tmp_path, 1)))
        before = read_identity(first.data_dir)
        code, said = await started.run("node", "init", "--config", str(file_of(tmp_path, 1)))
        assert code == 1
        assert f"{first.data_dir} holds the data of node 1" in said
        assert read_identity(first.data_dir) == before
        (second.data_dir / "log").mkdir(parents=True)
        (second.data_dir / "log" / "wal-0000000001-00000000000000000001").write_bytes(b"entries")
        code, said = await started.run("node", "init", "--config", str(file_of(tmp_path, 2)))
        assert code == 1
        assert "stays as it is" in said
        assert read_identity(second.data_dir) is None


async def test_settings_that_would_not_do_are_refused(tmp_path: Path) -> None:
    """Exit code 2 with the setting, before anything is written: the others would know this node by another key."""
    (settings,) = settings_of(tmp_path, 1)
    file = file_of(tmp_path, 1)
    text = file.read_text(encoding="utf-8")
    for old, new, told in (
        (settings.own.fingerprint, "0" * 64, "cluster.peers[0].fingerprint"),
        ("node1.pem", "ca.pem", "tls.peer_certificate_file"),
        ("node_id = 1", "node_id = 1\nunheard_of = 1", "cluster.unheard_of"),
    ):
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
        async with commands(tmp_path) as started:
            code, said = await started.run("node", "init", "--config", str(file))
        assert code == 2, said
        assert told in said
        assert "Traceback" not in said
    async with commands(tmp_path) as started:
        code, said = await started.run("node", "init", "--config", str(tmp_path / "missing.toml"))
        assert code == 2
        assert "missing.toml" in said
        code, said = await started.run("node", "init")
        assert code == 2
    assert not settings.data_dir.exists()


async def test_data_of_a_later_release_stay(tmp_path: Path) -> None:
    """Exit code 3: not even whose they are can be read."""
    (settings,) = settings_of(tmp_path, 1)
    settings.data_dir.mkdir()
    file = settings.data_dir / "identity.json"
    file.write_text('{"format": 2}', encoding="utf-8")
    async with commands(tmp_path) as started:
        code, said = await started.run("node", "init", "--config", str(file_of(tmp_path, 1)))
    assert code == 3
    assert "format 2, this release knows formats up to 1" in said
    assert file.read_text(encoding="utf-8") == '{"format": 2}'


@pytest.mark.integration
@pytest.mark.timeout(120)
async def test_nodes_that_were_prepared_found_a_cluster(tmp_path: Path) -> None:
    """Not before: without it a node says what to do and ends with exit code 1, and leaves the directory empty."""
    both = settings_of(tmp_path, 2)
    async with commands(tmp_path) as started:
        code, said = await started.run("node", "run", "--config", str(file_of(tmp_path, 1)))
        assert code == 1
        assert "raftline node init --config FILE" in said
        assert read_identity(both[0].data_dir) is None
        for node_id in (1, 2):
            code, said = await started.run("node", "init", "--config", str(file_of(tmp_path, node_id)))
            assert code == 0, said
        running = [
            await started.start("node", "run", "--config", str(file_of(tmp_path, node_id))) for node_id in (1, 2)
        ]
        for node, settings in zip(running, both, strict=True):
            await node.says("ready")
            reply = await get(settings.http.port, "/readyz")
            assert reply is not None
            assert reply.status_code == 200
        for settings in both:
            identity = read_identity(settings.data_dir)
            assert identity is not None
            assert identity.has_begun
            assert not identity.is_alone
        for node in running:
            node.process.terminate()
        await until("both to end", lambda: all(node.process.returncode is not None for node in running))
        assert [node.process.returncode for node in running] == [0, 0]
