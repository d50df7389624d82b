"""The commands for people, against a running cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration.cluster_process import Cluster
from integration.xmpp_raw import RawClient, StreamEndedError

pytestmark = pytest.mark.timeout(90)

NODE_KEYS = {"id", "role", "reachable", "applied_index", "match_index", "state_hash", "state_hash_index"}


async def test_accounts_are_made_listed_changed_and_deleted(cluster: Cluster) -> None:
    """`raftline user add|list|passwd|delete` act on the whole cluster."""
    folder = ("--data", str(cluster.data))
    added = await cluster.command("user", "add", "anna", *folder, "--password-stdin", stdin="first-secret\n")
    assert added.returncode == 0, added.stderr
    await expect_login(cluster, 2, "anna", "first-secret", works=True)

    again = await cluster.command("user", "add", "anna", *folder, "--password-stdin", stdin="other-secret\n")
    assert again.returncode != 0
    assert "Traceback" not in again.stderr

    listed = await cluster.command("user", "list", *folder)
    assert listed.returncode == 0, listed.stderr
    assert "anna" in listed.stdout

    changed = await cluster.command("user", "passwd", "anna", *folder, "--password-stdin", stdin="second-secret\n")
    assert changed.returncode == 0, changed.stderr
    await expect_login(cluster, 3, "anna", "first-secret", works=False)
    await expect_login(cluster, 3, "anna", "second-secret", works=True)

    deleted = await cluster.command("user", "delete", "anna", *folder)
    assert deleted.returncode == 0, deleted.stderr
    await expect_login(cluster, 1, "anna", "second-secret", works=False)
    listed = await cluster.command("user", "list", *folder)
    assert "anna" not in listed.stdout


async def test_cluster_status_tells_each_node(cluster: Cluster) -> None:
    """`cluster status --json` has exactly the documented form, and tells when a node is gone."""
    status = await cluster.wait_healthy()
    assert set(status) == {"leader", "term", "commit_index", "nodes"}
    assert [set(node) for node in status["nodes"]] == [NODE_KEYS] * 3
    assert [node["id"] for node in status["nodes"]] == [1, 2, 3]
    roles = {node["id"]: node["role"] for node in status["nodes"]}
    assert roles[status["leader"]] == "leader"
    assert sorted(roles.values()) == ["follower", "follower", "leader"]
    assert status["term"] >= 1
    assert status["commit_index"] >= 1

    follower = next(node_id for node_id, role in roles.items() if role == "follower")
    await cluster.kill(follower)
    reachable = {node["id"]: node["reachable"] for node in (await cluster.status())["nodes"]}
    assert reachable == {node_id: node_id != follower for node_id in cluster.node_ids}

    table = await cluster.command("cluster", "status", "--data", str(cluster.data))
    assert table.returncode == 0, table.stderr
    assert "leader" in table.stdout


async def test_cluster_json_has_the_documented_form(cluster: Cluster) -> None:
    """`cluster.json` tells ports as integers, and is rewritten when a node restarts."""
    description = cluster.description()
    assert {"domain", "admin_token", "ca", "nodes"} <= set(description)
    assert description["domain"] == "localhost"
    for place, node in enumerate(description["nodes"]):
        base = cluster.base_port + 10 * place
        assert {"id", "pid", "xmpp", "xmpps", "http", "peer", "data"} <= set(node)
        assert (node["xmpp"], node["xmpps"], node["http"], node["peer"]) == (base, base + 1, base + 2, base + 3)
    before = cluster.node(3).pid
    await cluster.kill(3)
    await cluster.start_node(3)
    assert cluster.node(3).pid != before


async def test_config_check_names_the_key_that_is_wrong(tmp_path: Path, cluster_folder: Path) -> None:
    """`config check` refuses an unknown key with its path, without a stack trace."""
    cluster = Cluster(cluster_folder)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[node]\nid = 1\nno_such_key = true\n", encoding="utf-8")
    done = await cluster.command("config", "check", str(wrong))
    assert done.returncode != 0
    assert "no_such_key" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr

    missing = await cluster.command("config", "check", str(tmp_path / "missing.toml"))
    assert missing.returncode != 0
    assert "Traceback" not in missing.stdout + missing.stderr


async def test_commands_without_a_cluster_say_so(tmp_path: Path, cluster_folder: Path) -> None:
    """A command on a folder without a cluster fails with a sentence."""
    cluster = Cluster(cluster_folder)
    done = await cluster.command("cluster", "status", "--data", str(tmp_path / "nothing"), "--json")
    assert done.returncode != 0
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


async def test_up_refuses_a_second_cluster_on_the_same_data(cluster: Cluster) -> None:
    """Two clusters never write the same files: the second `up` on a running cluster's data ends with a message."""
    done = await cluster.command("up", "--data", str(cluster.data))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert json.loads((cluster.data / "cluster.json").read_text(encoding="utf-8")) == cluster.description()
    assert await cluster.is_ready(1)


async def expect_login(cluster: Cluster, node_id: int, username: str, password: str, *, works: bool) -> None:
    """Log in through a node, or be refused with `not-authorized`."""
    async with RawClient() as client:
        await client.connect(cluster.node(node_id).xmpp)
        if works:
            await client.authenticate(username, password)
        else:
            with pytest.raises(StreamEndedError, match="not-authorized"):
                await client.authenticate(username, password)
