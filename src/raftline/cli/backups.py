"""`raftline backup`, `restore` and `verify`: a whole cluster in one file, and back."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from cyclopts import Parameter

from raftline.base.errors import ConfigError, StorageCorrupt
from raftline.cli.connection import DATA_DEFAULT, HERE, AdminClient, Target, open_client
from raftline.cli.output import Json, print_json
from raftline.cli.progress import Step, byte_progress
from raftline.cluster.backup_file import STATE_PART, BackupHeader, BackupWriter, read_header, read_part, verify_parts
from raftline.cluster.verification import Findings, bytes_to_verify, compare, verify_node
from raftline.machine.inspection import inspect
from raftline.server.cluster_file import read_cluster_file
from raftline.server.config_file import load_settings
from raftline.server.development_layout import NODE_COUNT_DEFAULT
from raftline.server.failures import ExitCode, Failure
from raftline.server.locks import unused
from raftline.server.restoring import restore_development, restore_node, total_bytes

LOOK_INTERVAL_S: Final = 0.1
CHUNK_BYTES: Final = 1 << 20

Input = Annotated[Path, Parameter(help="The file of a backup.")]


def backup(
    *,
    output: Annotated[Path, Parameter(help="The file to write; one of that name is replaced when all is there.")],
    json: Json = False,
    target: Target = HERE,
) -> None:
    """Back a cluster up; its help stands in command_list.py."""
    client = _choose_node(target)
    told = client.request("POST", "/admin/v1/backups")
    path = f"/admin/v1/backups/{quote(told['name'], safe='')}"
    try:
        with byte_progress("Copying", int(told["expected_bytes"]), json=json) as (step, restart):
            done = 0
            while told["state"] == "copying":
                time.sleep(LOOK_INTERVAL_S)
                told = client.request("GET", path)
                step(int(told["copied_bytes"]) - done)
                done = int(told["copied_bytes"])
            if told["state"] == "failed":
                raise Failure(ExitCode.REFUSED, f"{client.name} could not make a backup: {told['reason']}")
            header = msgspec.convert(told["header"], BackupHeader)
            restart("Fetching", header.content_bytes)
            _fetch(client, path, header, output, step)
    finally:
        _let_go(client, path)
    if json:
        print_json({"file": str(output.resolve()), "is_current": told["is_current"], "header": header})
        return
    print(f"{output}: everything up to entry {header.applied_index} of cluster {header.cluster_id} ({header.domain}).")
    if not told["is_current"]:
        print(f"No majority answered {client.name}: the newest messages may be missing.")
    if header.missing:
        print(f"{len(header.missing)} uploaded files were on no node that could be reached, and are missing.")


def _choose_node(target: Target) -> AdminClient:
    """Return a client of one node; of a development cluster one that answers and does not lead, if there is any."""
    client = open_client(target)
    if target.server is not None:
        return client
    status = client.request("GET", "/admin/v1/cluster")
    reachable = {node["id"] for node in status["nodes"] if node["reachable"]}
    ids = [node.id for node in read_cluster_file(target.data).nodes]
    ranked = sorted(
        zip(ids, client.each(), strict=True), key=lambda pair: (pair[0] not in reachable, pair[0] == status["leader"])
    )
    return ranked[0][1]


def _fetch(client: AdminClient, path: str, header: BackupHeader, output: Path, step: Step) -> None:
    with client.connected() as read, BackupWriter(output, header) as writer:
        for part in header.parts:
            for offset in range(0, part.size, CHUNK_BYTES):
                size = min(CHUNK_BYTES, part.size - offset)
                data = read(f"{path}/parts/{quote(part.name)}?offset={offset}&size={size}")
                if len(data) != size:
                    raise StorageCorrupt(f"{client.name} sent {len(data)} bytes instead of {size}")
                writer.write(data)
                step(size)
        writer.finish()


def _let_go(client: AdminClient, path: str) -> None:
    """Tell the node that its copy is not needed any more; it finds out by itself otherwise, in a minute."""
    try:
        client.request("DELETE", path)
    except Failure as failure:
        print(f"The node keeps its copy for another minute: {failure}", file=sys.stderr)


def restore(
    *,
    input: Input,  # noqa: A002 - the option's name
    data: Annotated[Path | None, Parameter(help="Empty directory for a cluster on this machine.")] = None,
    config: Annotated[Path | None, Parameter(help="In production: settings (TOML) of the first node.")] = None,
    nodes: Annotated[int | None, Parameter(help="How many nodes on this machine; 3 by default.")] = None,
    base_port: Annotated[int | None, Parameter(help="First port of node 1; 15000 by default.")] = None,
    domain: Annotated[str | None, Parameter(help="The backup's domain; another one is refused.")] = None,
    epoch: Annotated[int | None, Parameter(help="First part of stanza ids; one more than before by default.")] = None,
    json: Json = False,
) -> None:
    """Restore a backup; its help stands in command_list.py."""
    if (data is None) == (config is None):
        raise ConfigError("--data", "give either --data DIR or --config FILE")
    header = read_header(input)
    if config is not None:
        settings = load_settings(config, os.environ)
        with byte_progress("Restoring", total_bytes(header, 1), json=json) as (step, _restart):
            restore_node(input, settings, step)
        if json:
            print_json({"data": str(settings.data_dir), "header": header})
            return
        print(
            f"Node {settings.cluster.node_id} of the new cluster {settings.cluster.id} has everything up to entry"
            f" {header.applied_index}.\nStart it; then invite other nodes with `raftline cluster add`, with the same"
            f" cluster.epoch ({settings.cluster.epoch})."
        )
        return
    assert data is not None
    with byte_progress("Restoring", total_bytes(header, nodes or NODE_COUNT_DEFAULT), json=json) as (step, _restart):
        restore_development(
            input, data.resolve(), nodes=nodes, base_port=base_port, domain=domain, epoch=epoch, told=step
        )
    if json:
        print_json({"data": str(data.resolve()), "header": header})
        return
    print(f"A new cluster with everything up to entry {header.applied_index} is in {data}; start it:")
    print(f"  raftline up --data {data}")


def verify(
    *,
    input: Annotated[Path | None, Parameter(help="The file of a backup.")] = None,  # noqa: A002 - the option's name
    data: Annotated[Path | None, Parameter(help="Data of a stopped node, or directory of a stopped cluster.")] = None,
    scratch: Annotated[Path | None, Parameter(help="Where copies may lie meanwhile; /tmp by default.")] = None,
    json: Json = False,
) -> ExitCode:
    """Verify a backup or data; its help stands in command_list.py."""
    if (input is None) == (data is None):
        raise ConfigError("--input", "give either --input FILE or --data DIR")
    with tempfile.TemporaryDirectory(prefix="raftline-verify-", dir=scratch) as place:
        found = (
            _verify_file(input, Path(place), json=json)
            if input is not None
            else _verify_data(data or DATA_DEFAULT, Path(place), json=json)
        )
    complaints: list[str] = found["complaints"]
    if json:
        print_json(found)
    else:
        for line in found["seen"]:
            print(line)
        for complaint in complaints:
            print(f"DAMAGED: {complaint}")
        print("Damage was found." if complaints else "All is whole.")
    return ExitCode.STORAGE if complaints else ExitCode.DONE


def _verify_file(file: Path, scratch: Path, *, json: bool) -> dict[str, Any]:
    header = read_header(file)
    with byte_progress("Reading", header.content_bytes, json=json) as (step, _restart):
        complaints = verify_parts(file, step)
    upto = f"everything up to entry {header.applied_index} of term {header.applied_term}"
    seen = [
        f"Backup of cluster {header.cluster_id} ({header.domain}): {upto}.",
        *(f"  part {part.name}: {part.size} bytes, SHA-256 {part.sha256}" for part in header.parts),
    ]
    if not complaints:
        path = scratch / "state.db"
        with path.open("wb") as stream:
            for block in read_part(file, STATE_PART):
                stream.write(block)
        inspection = inspect(path)
        complaints += inspection.complaints
        head = inspection.head
        told = (header.applied_index, header.applied_term, header.state_hash, header.entry_chain)
        if (
            head is None
            or (head.applied_index, head.applied_term, head.state_hash.hex(), head.entry_chain.hex()) != told
        ):
            complaints.append("the database is not the one that the header tells of")
        seen.append(f"  {inspection.row_count} rows, state hash {header.state_hash}")
    return {"seen": seen, "complaints": complaints, "header": header}


def _verify_data(directory: Path, scratch: Path, *, json: bool) -> dict[str, Any]:
    places = sorted(directory.glob("node*/data")) if not (directory / "identity.json").exists() else [directory]
    if not places:
        raise Failure(ExitCode.REFUSED, f"{directory} holds neither a node's data nor a cluster.")
    nodes: list[Findings] = []
    with byte_progress("Reading", sum(map(bytes_to_verify, places)), json=json) as (step, _restart):
        for number, place in enumerate(places):
            own_scratch = scratch / str(number)
            own_scratch.mkdir()
            with unused(place / "lock"):
                nodes.append(verify_node(place, own_scratch, step))
    seen = []
    for node in nodes:
        head = node.head
        told = (
            "no database" if head is None else f"applied {head.applied_index}, state hash {head.state_hash.hex()[:16]}"
        )
        seen.append(
            f"Node {node.node_id} in {node.data_dir}: {told}, log {node.first_index} to {node.last_index},"
            f" {node.row_count} rows"
        )
    complaints = [complaint for node in nodes for complaint in node.complaints] + compare(nodes)
    return {"seen": seen, "complaints": complaints}
