"""How `raftline top` asks: any node, the next one when it dies, and none that would give the token away."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cli.serving import RAFTLINE, bind, raftline, serve
from raftline.cli.connection import Target, open_client
from raftline.cli.top.probe import Probe
from raftline.server.failures import ExitCode, Failure

TOKEN = "a-token-for-tests"


class FakeNode:
    """A node that tells of a cluster of two."""

    def __init__(self) -> None:
        self.http_urls: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.metrics = "raftline_cluster_term 4.0\n"
        self.app = Starlette(
            routes=[
                Route("/admin/v1/cluster", self.cluster),
                Route("/admin/v1/cluster/nodes", self.nodes),
                Route("/metrics", self.figures),
            ]
        )

    async def cluster(self, request: Request) -> Response:
        self.tokens.append(request.headers["authorization"])
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            return JSONResponse({"error": {"condition": "not-authorized", "text": "No."}}, 401)
        nodes = [{"id": 1, "role": "leader", "reachable": True, "applied_index": 5, "match_index": 5}]
        nodes.append({"id": 2, "role": "follower", "reachable": True, "applied_index": 5, "match_index": 5})
        return JSONResponse({"leader": 1, "term": 4, "commit_index": 5, "nodes": nodes})

    async def nodes(self, _request: Request) -> Response:
        return JSONResponse({"nodes": self.http_urls})

    async def figures(self, request: Request) -> Response:
        assert "authorization" not in request.headers
        return PlainTextResponse(self.metrics)


@asynccontextmanager
async def probing(address: str, folder: Path, token: str = TOKEN) -> AsyncIterator[Probe]:
    """A probe that was given one address."""
    (folder / "token").write_text(token)
    client = open_client(Target(server=address, token_file=folder / "token"))
    async with client.open_async() as http:
        yield Probe(client, http, monotonic_s=lambda: 1.0, wall_ms=lambda: 1_000)


async def test_it_goes_on_with_another_node(tmp_path: Path) -> None:
    """Which it was never told of: the first one had told where the others are."""
    first, second = FakeNode(), FakeNode()
    async with serve(second.app) as second_port:
        urls = [{"id": 2, "http_url": f"http://127.0.0.1:{second_port}"}]
        async with serve(first.app) as first_port:
            first.http_urls = [{"id": 1, "http_url": f"http://127.0.0.1:{first_port}"}, *urls]
            second.http_urls = urls
            probe_context = probing(f"http://127.0.0.1:{first_port}", tmp_path)
            probe = await probe_context.__aenter__()
            sample = await probe.sample()
            assert sample.asked == f"http://127.0.0.1:{first_port}"
            assert {node_id: figures.term for node_id, figures in sample.figures.items()} == {1: 4.0, 2: 4.0}
        sample = await probe.sample()
        assert sample.asked == f"http://127.0.0.1:{second_port}"
        assert sample.status is not None
        assert set(sample.figures) == {2}
        assert set(sample.urls) == {1, 2}
    sample = await probe.sample()
    assert (sample.asked, sample.status, sample.figures) == ("", None, {})
    assert len(probe.failures) == 2
    await probe_context.__aexit__(None, None, None)


async def test_figures_in_another_form(tmp_path: Path) -> None:
    """A node whose metrics make no sense is shown without them."""
    node = FakeNode()
    node.metrics = "<html>"
    async with serve(node.app) as port:
        node.http_urls = [{"id": 1, "http_url": f"http://127.0.0.1:{port}"}]
        async with probing(f"http://127.0.0.1:{port}", tmp_path) as probe:
            sample = await probe.sample()
    assert sample.status is not None
    assert sample.figures == {}


async def test_a_wrong_token(tmp_path: Path) -> None:
    """Ends it: no other node takes it either."""
    node = FakeNode()
    async with serve(node.app) as port, probing(f"http://127.0.0.1:{port}", tmp_path, "another") as probe:
        with pytest.raises(Failure, match="does not take this token") as refused:
            await probe.sample()
    assert refused.value.code == ExitCode.USAGE


async def test_the_token_stays_off_plain_http(tmp_path: Path) -> None:
    """Who gave an https address is not led to a plain one by what a node tells."""
    plain = FakeNode()
    with bind() as unused:
        async with serve(plain.app) as port, probing(f"https://127.0.0.1:{unused.getsockname()[1]}", tmp_path) as probe:
            node = FakeNode()
            node.http_urls = [{"id": 1, "http_url": f"http://127.0.0.1:{port}"}, {"id": 2, "http_url": "https://two"}]
            async with serve(node.app) as other:
                await probe._learn(f"http://127.0.0.1:{other}")
            assert "https://two" in probe._addresses
            assert f"http://127.0.0.1:{port}" not in probe._addresses


async def test_one_reading_for_a_program(tmp_path: Path) -> None:
    """`--once --json`: one value; without a terminal `--once` goes without saying, and the picture is plain text."""
    node = FakeNode()
    (tmp_path / "token").write_text(TOKEN)
    async with serve(node.app) as port:
        node.http_urls = [{"id": 1, "http_url": f"http://127.0.0.1:{port}"}]
        target = ("--server", f"http://127.0.0.1:{port}", "--token-file", str(tmp_path / "token"))
        ended = await raftline("top", "--once", "--json", "--interval", "0.1", *target)
        assert (ended.code, ended.err) == (0, "")
        told = json.loads(ended.out)
        assert (told["leader"], [one["id"] for one in told["nodes"]]) == (1, [1, 2])
        ended = await raftline("top", "--interval", "0.1", *target)
        assert ended.code == 0
        assert ended.out.startswith("Node 1 leads in term 4")
        assert "\x1b" not in ended.out


async def test_readings_line_by_line(tmp_path: Path) -> None:
    """`--json` alone: a program reads as many as it wants; when it has enough the command ends in peace."""
    node = FakeNode()
    (tmp_path / "token").write_text(TOKEN)
    async with serve(node.app) as port, asyncio.timeout(30):
        target = ("--server", f"http://127.0.0.1:{port}", "--token-file", str(tmp_path / "token"))
        process = await asyncio.create_subprocess_exec(
            RAFTLINE, "top", "--json", "--interval", "0.1", *target, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        told = [json.loads(await process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        await process.stdout.read()
        assert await process.wait() == 0
    assert [reading["leader"] for reading in told] == [1, 1, 1]
    assert told[0]["wall_ms"] < told[2]["wall_ms"]


async def test_an_interval_out_of_range() -> None:
    """Exit code 2."""
    ended = await raftline("top", "--interval", "0.01")
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
