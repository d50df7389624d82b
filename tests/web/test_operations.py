"""What operators do to a running cluster over HTTP."""

from __future__ import annotations

import pytest

from raftline.base.errors import ConfigError
from web.application import Application


@pytest.mark.parametrize(("body", "target"), [({"to": 2}, 2), ({"to": None}, None), ({}, None)])
async def test_a_transfer_is_passed_on(
    application: Application, body: dict[str, int | None], target: int | None
) -> None:
    """To a node, or to whichever the leader chooses; 202, since it is asked for and not done."""
    async with application.client() as client:
        reply = await client.post("/admin/v1/cluster/transfer", json=body)
    assert (reply.status_code, reply.json()) == (202, {"to": target})
    assert application.transfers == [target]


async def test_a_transfer_to_no_node_is_refused(application: Application) -> None:
    """404, and nobody is asked."""
    async with application.client() as client:
        reply = await client.post("/admin/v1/cluster/transfer", json={"to": 9})
    assert reply.status_code == 404
    assert reply.json()["error"]["condition"] == "item-not-found"
    assert application.transfers == []


async def test_a_reload_tells_what_changed(application: Application) -> None:
    """The tables of settings, by name."""
    async with application.client() as client:
        reply = await client.post("/admin/v1/reload")
    assert (reply.status_code, reply.json()) == (200, {"changed": ["limits", "tls"]})


async def test_a_refused_reload_says_why(application: Application) -> None:
    """With the path of the setting, and that nothing changed."""
    application.reload_error = ConfigError("timing.heartbeat_ms", "cannot change while the node runs")
    async with application.client() as client:
        reply = await client.post("/admin/v1/reload")
    assert reply.status_code == 409
    text = reply.json()["error"]["text"]
    assert "timing.heartbeat_ms: cannot change" in text
    assert "stay as they were" in text


async def test_the_nodes_are_told(application: Application) -> None:
    """Where each is reached, for tools that go on with another one."""
    async with application.client() as client:
        reply = await client.get("/admin/v1/cluster/nodes")
    assert reply.status_code == 200
    assert reply.json() == {
        "nodes": [{"id": 1, "http_url": "http://127.0.0.1:15002"}, {"id": 2, "http_url": "http://127.0.0.1:15012"}]
    }
    async with application.client(token=None) as client:
        assert (await client.get("/admin/v1/cluster/nodes")).status_code == 401


@pytest.mark.parametrize("path", ["/admin/v1/cluster/transfer", "/admin/v1/reload"])
async def test_operations_need_the_token(application: Application, path: str) -> None:
    """Without it nothing is done."""
    async with application.client(token="another") as client:
        reply = await client.post(path, json={})
    assert reply.status_code == 401
    assert application.transfers == []


async def test_readiness_names_a_hindrance(application: Application) -> None:
    """A node whose disk is full is no place for new clients."""
    application.health.hindrance = lambda: "the disk is full"
    async with application.client() as client:
        reply = await client.get("/readyz")
    assert (reply.status_code, reply.json()) == (503, {"ready": False, "reason": "the disk is full"})
