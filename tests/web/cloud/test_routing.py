"""Which endpoint a path means, who may call it, and what a call gives to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import httpx2
import msgspec
import pytest
import pytest_asyncio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from raftline.base.cloud_limits import CLOUD_BODY_BYTES_MAX
from raftline.base.errors import Busy, OutcomeUnknown, Refused, StorageFull, Unavailable
from raftline.machine.business.ids import GraphKind, graph_id, group_id, media_id
from raftline.node.door import Node
from raftline.web.cloud.access import MANAGEMENT, MESSAGING
from raftline.web.cloud.call import Call, Edge, Endpoint, Subject
from raftline.web.cloud.errors import graph_reply
from raftline.web.cloud.routing import Cloud, VersionedPaths, is_versioned
from web.cloud.door import APP_ID, BUSINESS_ID, NUMBER_ID, OTHER_NUMBER_ID, SCOPES, SECRET, TOKEN, CloudDoor
from web.cloud.serving import client_of, error_of

FILE_ID = media_id(bytes(range(1, 17)))


class Pair(msgspec.Struct):
    """A body with something that must be there and something of a type."""

    name: str
    count: int = 0


class Outer(msgspec.Struct):
    """A body with a body in it."""

    inner: Pair | None = None


async def show(call: Call) -> Response:
    """Tell what the call was given."""
    named = call.named.hex() if isinstance(call.named, bytes) else call.named
    return graph_reply({"named": named, "version": call.version, "actor": call.actor, "root": call.root_url})


async def show_public(call: Call) -> Response:
    """Tell what needs no token."""
    return graph_reply({"asked": call.query.get("q")})


async def read(call: Call) -> Response:
    """Tell what the body was."""
    return graph_reply(msgspec.to_builtins(await call.json(Outer)))


async def read_if_any(call: Call) -> Response:
    """Tell whether there was a body."""
    return graph_reply({"body": msgspec.to_builtins(await call.json_or_none(Pair))})


async def fail(call: Call) -> Response:
    """Fail as the query says."""
    raise {
        "busy": Busy("too much"),
        "unknown": OutcomeUnknown("?"),
        "unavailable": Unavailable("no quorum"),
        "full": StorageFull("full"),
        "forbidden": Refused("forbidden", "auth", "No."),
        "absent": Refused("item-not-found", "cancel", "There is none."),
        "number": Refused("policy-violation", "wait", "Slowly.", "number"),
        "pair": Refused("policy-violation", "wait", "Slowly.", "pair"),
        "crash": ValueError("a secret"),
    }[call.query["how"]]


ENDPOINTS = (
    *(Endpoint("GET", subject, (), show, "") for subject in Subject),
    Endpoint("POST", Subject.NUMBER, (), show, MESSAGING),
    Endpoint("GET", Subject.NUMBER, ("managed",), show, MANAGEMENT),
    Endpoint("POST", Subject.NUMBER, ("read",), read, MESSAGING),
    Endpoint("DELETE", Subject.NUMBER, ("read",), read, MESSAGING),
    Endpoint("POST", Subject.NUMBER, ("read_if_any",), read_if_any, MESSAGING),
    Endpoint("GET", Subject.NUMBER, ("fail",), fail, MESSAGING),
    Endpoint("GET", "oauth", ("access_token",), show_public, None),
)


@pytest_asyncio.fixture
async def cloud(door: CloudDoor) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of endpoints that show what they are given."""
    async with client_of(door, endpoints=ENDPOINTS) as client:
        yield client


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (APP_ID, 11),
        (BUSINESS_ID, 10),
        (NUMBER_ID, 12),
        (graph_id(GraphKind.TEMPLATE, 5), 5),
        (FILE_ID, bytes(range(1, 17)).hex()),
        (group_id("küche"), "küche"),
        ("upload:abc", "abc"),
    ],
)
async def test_the_first_segment_tells_what_is_meant(cloud: httpx2.AsyncClient, text: str, named: object) -> None:
    """Each kind of id leads to its endpoint, with the id read."""
    response = await cloud.get(f"/{text}")
    assert response.status_code == 200, response.text
    assert response.json() == {
        "named": named,
        "version": "v26.0",
        "actor": f"app {APP_ID}",
        "root": "http://test/v26.0",
    }


@pytest.mark.parametrize("version", ["v1", "v17.0", "v26.0", "v123.45"])
async def test_any_version_is_served(door: CloudDoor, version: str) -> None:
    """Programs of any age find the same endpoints, with and without a slash at the end."""
    async with client_of(door, endpoints=ENDPOINTS, version=version) as cloud:
        assert (await cloud.get(f"/{NUMBER_ID}")).json()["version"] == version
        assert (await cloud.post(f"/{NUMBER_ID}/")).status_code == 200


def test_what_is_no_version() -> None:
    """Other paths that begin with the letter are left to others."""
    assert [
        path for path in ("/v1", "/v1/", "/v26.0/x", "/vx", "/v", "/v1.", "/v1x", "/video/1") if is_versioned(path)
    ] == [
        "/v1",
        "/v1/",
        "/v26.0/x",
    ]


async def test_paths_that_are_not_there(cloud: httpx2.AsyncClient) -> None:
    """Unknown objects are 100 with subcode 33, unknown paths 404, wrong methods 405 and what would be right."""
    for path in ("/nothing", "/123456", f"/{OTHER_NUMBER_ID[:-1]}9", "/", "/nothing/messages"):
        error = error_of(await cloud.get(path), 400)
        assert (error["code"], error["error_subcode"]) == (100, 33), path
    assert error_of(await cloud.get(f"/{NUMBER_ID}/nothing"), 404)["code"] == 100
    assert error_of(await cloud.get(f"/{NUMBER_ID}" + "/x" * 9), 404)["code"] == 100
    response = await cloud.delete(f"/{NUMBER_ID}")
    assert error_of(response, 405)["code"] == 3
    assert response.headers["allow"] == "GET, POST"


async def test_tokens(door: CloudDoor) -> None:
    """No token, one that is unknown or too old, and no bearer token are 190."""
    door.issue("old", is_expired=True)
    for token in (None, "wrong", "old", ""):
        async with client_of(door, token, endpoints=ENDPOINTS) as cloud:
            response = await cloud.get(f"/{NUMBER_ID}")
            assert error_of(response, 401)["code"] == 190
            assert response.headers["www-authenticate"].startswith("Bearer")
    async with client_of(door, None, endpoints=ENDPOINTS) as cloud:
        response = await cloud.get(f"/{NUMBER_ID}", headers={"Authorization": f"Basic {TOKEN}"})
        assert error_of(response, 401)["code"] == 190


async def test_a_token_in_the_query(door: CloudDoor) -> None:
    """A token may come as a parameter, and an application by its id and secret."""
    async with client_of(door, None, endpoints=ENDPOINTS) as cloud:
        assert (await cloud.get(f"/{NUMBER_ID}", params={"access_token": TOKEN})).status_code == 200
        own = f"{APP_ID}|{SECRET.hex()}"
        assert (await cloud.get(f"/{APP_ID}", params={"access_token": own})).status_code == 200
        assert error_of(await cloud.post(f"/{NUMBER_ID}", params={"access_token": own}), 403)["code"] == 200
        for wrong in (f"{APP_ID}|{SECRET[::-1].hex()}", f"{NUMBER_ID}|{SECRET.hex()}", f"x|{SECRET.hex()}", "|"):
            error = error_of(await cloud.get(f"/{APP_ID}", params={"access_token": wrong}), 401)
            assert error["code"] == 190, wrong


async def test_scopes(door: CloudDoor) -> None:
    """An endpoint that needs a permission is refused to a token without it."""
    door.issue("sender", MESSAGING)
    async with client_of(door, "sender", endpoints=ENDPOINTS) as cloud:
        assert (await cloud.post(f"/{NUMBER_ID}")).status_code == 200
        error = error_of(await cloud.get(f"/{NUMBER_ID}/managed"), 403)
        assert error["code"] == 200
        assert MANAGEMENT in error["error_data"]["details"]


async def test_what_is_of_another_business(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A number, an application and a business of somebody else are forbidden, not unknown."""
    for text in (OTHER_NUMBER_ID, graph_id(GraphKind.APP, 21), graph_id(GraphKind.BUSINESS, 20)):
        assert error_of(await cloud.get(f"/{text}"), 403)["code"] == 10
    for text in (graph_id(GraphKind.APP, 99), graph_id(GraphKind.BUSINESS, 99), graph_id(GraphKind.NUMBER, 99)):
        assert error_of(await cloud.get(f"/{text}"), 400)["error_subcode"] == 33
    door.issue("same", SCOPES, app_id=21)
    async with client_of(door, "same", endpoints=ENDPOINTS) as other:
        assert (await other.get(f"/{OTHER_NUMBER_ID}")).status_code == 200


async def test_what_another_node_has_just_made_is_found(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A token or a number that this replica does not know yet is looked for behind a barrier; others cost none."""
    assert (await cloud.get(f"/{NUMBER_ID}")).status_code == 200
    assert door.barrier_count == 0
    for kind in {type(query) for query in door.asked}:
        door.hidden = {kind}
        assert (await cloud.get(f"/{NUMBER_ID}")).status_code == 200
    assert door.barrier_count == 2
    door.barrier_failure = Unavailable("no quorum")
    door.tokens.clear()
    error = error_of(await cloud.get(f"/{NUMBER_ID}"), 503)
    assert (error["code"], error["is_transient"]) == (131016, True)


async def test_bodies(cloud: httpx2.AsyncClient) -> None:
    """A body is JSON of the right shape and size, by whatever method, or refused with the code that says why."""
    path = f"/{NUMBER_ID}/read"
    assert (await cloud.post(path, json={"inner": {"name": "x"}})).json() == {"inner": {"name": "x", "count": 0}}
    assert (await cloud.request("DELETE", path, json={"inner": None})).status_code == 200
    error = error_of(await cloud.post(path, json={"inner": {}}), 400)
    assert (error["code"], "inner.name" in error["error_data"]["details"]) == (131008, True)
    error = error_of(await cloud.post(path, json={"inner": {"name": "x", "count": "y"}}), 400)
    assert (error["code"], "inner.count" in error["error_data"]["details"]) == (131009, True)
    as_json = {"Content-Type": "application/json"}
    for body in (b"{", b"", b'{"inner":{"name":"\xff"}}', b'{"x":' + b"[" * 100_000):
        assert error_of(await cloud.post(path, content=body, headers=as_json), 400)["code"] == 100
    assert error_of(await cloud.post(path, data={"inner": "x"}), 415)["code"] == 100
    filled = b'{"x":"%s"}' % (b"x" * (CLOUD_BODY_BYTES_MAX - 8))
    assert (await cloud.post(path, content=filled, headers=as_json)).status_code == 200
    assert error_of(await cloud.post(path, content=filled + b" ", headers=as_json), 413)["code"] == 100


async def test_a_body_that_may_be_left_out(cloud: httpx2.AsyncClient) -> None:
    """No body at all is not the same as a wrong one."""
    path = f"/{NUMBER_ID}/read_if_any"
    assert (await cloud.post(path)).json() == {"body": None}
    assert (await cloud.post(path, json={"name": "x"})).json() == {"body": {"name": "x", "count": 0}}
    assert error_of(await cloud.post(path, json={}), 400)["code"] == 131008


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("busy", 503, 131016),
        ("unknown", 503, 131016),
        ("unavailable", 503, 131016),
        ("full", 503, 131016),
        ("forbidden", 403, 10),
        ("absent", 400, 100),
        ("number", 429, 130429),
        ("pair", 429, 131056),
        ("crash", 500, 131000),
    ],
)
async def test_failures(cloud: httpx2.AsyncClient, how: str, status: int, code: int) -> None:
    """What goes wrong inside has the code and the status that programs know; what may be tried again says so."""
    response = await cloud.get(f"/{NUMBER_ID}/fail", params={"how": how})
    error = error_of(response, status)
    assert error["code"] == code
    assert error.get("is_transient", False) == (status == 503)
    assert ("retry-after" in response.headers) == (status == 503)
    assert "secret" not in response.text


async def test_what_needs_no_token(door: CloudDoor) -> None:
    """An endpoint may be open to all."""
    async with client_of(door, None, endpoints=ENDPOINTS) as cloud:
        assert (await cloud.get("/oauth/access_token", params={"q": "1"})).json() == {"asked": "1"}


async def test_a_node_that_does_not_serve(door: CloudDoor) -> None:
    """While a node starts or stops, programs are told to try another."""
    async with client_of(door, endpoints=ENDPOINTS, is_ready=lambda: False) as cloud:
        assert error_of(await cloud.get(f"/{NUMBER_ID}"), 503)["code"] == 131016


async def test_what_nobody_expected_is_raised_for_the_log(door: CloudDoor) -> None:
    """The caller has an answer, and the HTTP server an error to write down; refusals are not worth a line."""
    cloud = Cloud(Edge(cast("Node", door), bytes, lambda: 0), ENDPOINTS)
    transport = httpx2.ASGITransport(cloud)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://test/v1", headers=headers) as client:
        assert (await client.get("/nothing")).status_code == 400
        with pytest.raises(ValueError, match="a secret"):
            await client.get(f"/{NUMBER_ID}/fail", params={"how": "crash"})


async def test_only_versioned_paths_go_to_the_cloud_api() -> None:
    """Others, and WebSockets whatever their path, go on to the rest of the node."""

    def saying(name: str) -> ASGIApp:
        async def say(scope: Scope, _receive: Receive, _send: Send) -> None:
            said.append((name, scope["path"]))

        return say

    said: list[tuple[str, str]] = []
    paths = VersionedPaths(saying("rest"), saying("cloud"))
    for kind, path in (("http", "/v26.0/1/messages"), ("http", "/admin/v1/users"), ("websocket", "/v26.0/")):
        await paths({"type": kind, "path": path}, receive_nothing, send_nothing)
    assert said == [("cloud", "/v26.0/1/messages"), ("rest", "/admin/v1/users"), ("rest", "/v26.0/")]


async def receive_nothing() -> Message:
    """Stand for a body that is not read."""
    raise AssertionError


async def send_nothing(_message: Message) -> None:
    """Stand for an answer that is not given."""
    raise AssertionError
