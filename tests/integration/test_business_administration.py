"""Businesses administered in a real cluster: by commands, over HTTP at any node, through the death of a leader."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from integration.cluster_process import Cluster

pytestmark = pytest.mark.timeout(120)

SHOP = {"name": "Corner Shop", "number": "15550001111"}


async def told(cluster: Cluster, *arguments: str) -> Any:
    """What a command says to a program, when all goes well."""
    ended = await cluster.command("business", *arguments, "--json", "--data", str(cluster.data))
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


async def test_businesses_through_a_leader_kill(cluster: Cluster) -> None:
    """
    What was told once is told again by another node under the same key, and by none under another.

    What a command says is what programs can use at every node: until it is revoked, at each of them.
    """
    leader = await cluster.leader()
    here, there = (node_id for node_id in cluster.node_ids if node_id != leader)
    key = {"Idempotency-Key": "corner-shop", "Authorization": f"Bearer {cluster.description()['admin_token']}"}
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as client:

        async def create(node_id: int, body: dict[str, str]) -> httpx2.Response:
            url = f"http://127.0.0.1:{cluster.node(node_id).http}/admin/v1/businesses"
            return await client.post(url, json=body, headers=key)

        async def look(node_id: int, number: str, token: str) -> int:
            url = f"http://127.0.0.1:{cluster.node(node_id).http}/v26.0/{number}"
            answer = await client.get(url, headers={"Authorization": f"Bearer {token}"})
            return answer.status_code

        first = await create(leader, SHOP)
        assert first.status_code == 201, first.text
        made = first.json()
        for node_id in cluster.node_ids:
            assert await look(node_id, made["phone_number_id"], made["token"]) == 200
        await cluster.kill(leader)
        again = await create(here, SHOP)
        assert (again.status_code, again.json()) == (201, made)
        assert (await create(there, SHOP | {"name": "Other"})).status_code == 409

        bank = await told(cluster, "create", "Bank", "--number", "15550002222")
        assert list(bank) == ["app_id", "app_secret", "waba_id", "phone_number_id", "token", "jid"]
        assert await look(there, bank["phone_number_id"], bank["token"]) == 200
        tokens = (await told(cluster, "token", "list", bank["app_id"]))["tokens"]
        await told(cluster, "token", "revoke", bank["app_id"], tokens[0]["token_id"])
        other = await told(cluster, "token", "issue", bank["app_id"], "--label", "spare")
        for node_id in (here, there):
            assert await look(node_id, bank["phone_number_id"], other["token"]) == 200
            assert await look(node_id, bank["phone_number_id"], bank["token"]) == 401
        assert await look(here, made["phone_number_id"], bank["token"]) != 200, "another business's number"
        lines = (await told(cluster, "audit"))["lines"]
        assert [line["action"] for line in lines][:2] == ["token.issue", "token.revoke"]
        await told(cluster, "delete", bank["waba_id"])
        assert [one["waba_id"] for one in (await told(cluster, "list"))["businesses"]] == [made["waba_id"]]
        assert await look(there, bank["phone_number_id"], other["token"]) == 401
