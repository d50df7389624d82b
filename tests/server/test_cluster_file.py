"""cluster.json: its shape, and that readers and writers do not trip over each other."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from raftline.base.errors import ConfigError
from raftline.server.cluster_file import (
    ClusterFile,
    ClusterFileNode,
    read_cluster_file,
    record_process,
    write_cluster_file,
)

CONTENT = ClusterFile(
    domain="localhost",
    admin_token="token",
    ca="/somewhere/ca.pem",
    nodes=tuple(
        ClusterFileNode(
            id=node_id,
            pid=0,
            xmpp=15_000 + 10 * node_id,
            xmpps=15_001 + 10 * node_id,
            http=15_002 + 10 * node_id,
            peer=15_003 + 10 * node_id,
            data=f"/somewhere/node{node_id}/data",
        )
        for node_id in (1, 2, 3)
    ),
)


def test_the_shape_is_the_documented_one(tmp_path: Path) -> None:
    """Exactly these keys, ports as integers; readable by its owner alone, since it holds the token."""
    write_cluster_file(tmp_path, CONTENT)
    file = tmp_path / "cluster.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    assert set(content) == {"domain", "admin_token", "ca", "nodes"}
    assert content["nodes"][0] == {
        "id": 1,
        "pid": 0,
        "xmpp": 15_010,
        "xmpps": 15_011,
        "http": 15_012,
        "peer": 15_013,
        "data": "/somewhere/node1/data",
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_cluster_file(tmp_path) == CONTENT


def test_a_process_is_recorded_for_its_node_alone(tmp_path: Path) -> None:
    """The others keep theirs; an unknown node is refused."""
    write_cluster_file(tmp_path, CONTENT)
    record_process(tmp_path, 2, 4_711)
    assert [node.pid for node in read_cluster_file(tmp_path).nodes] == [0, 4_711, 0]
    with pytest.raises(ConfigError, match="no node 4"):
        record_process(tmp_path, 4, 1)


RECORD_OFTEN = """
import sys
from pathlib import Path
from raftline.server.cluster_file import record_process
for number in range(1, 21):
    record_process(Path(sys.argv[1]), int(sys.argv[2]), 100 * int(sys.argv[2]) + number)
"""


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """Three processes record their nodes again and again; each one's last word stands."""
    write_cluster_file(tmp_path, CONTENT)
    writers = [
        subprocess.Popen([sys.executable, "-c", RECORD_OFTEN, str(tmp_path), str(node_id)]) for node_id in (1, 2, 3)
    ]
    assert [writer.wait(30) for writer in writers] == [0, 0, 0]
    assert [node.pid for node in read_cluster_file(tmp_path).nodes] == [120, 220, 320]


def test_missing_and_damaged_files_say_what_to_do(tmp_path: Path) -> None:
    """Both name `raftline up`."""
    with pytest.raises(ConfigError, match="raftline up"):
        read_cluster_file(tmp_path)
    (tmp_path / "cluster.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="raftline up"):
        read_cluster_file(tmp_path)
