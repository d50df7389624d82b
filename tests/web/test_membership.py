"""Who belongs to the cluster, over HTTP: invitations, removals, drains."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from raftline.base.errors import Busy, NotLeader, OutcomeUnknown, RaftlineError, Refused, StorageError, Unavailable
from raftline.web.replies import BODY_BYTES_MAX
from web.memberships import INVITED, MEMBER, MembershipApplication

INVITATIONS = "/admin/v1/cluster/invitations"
NODES = "/admin/v1/cluster/nodes"

REQUESTS = [("POST", INVITATIONS, {}), ("DELETE", f"{NODES}/2", None), ("POST", f"{NODES}/2/drain", {"drained": True})]
every_request = pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=["invitation", "removal", "drain"])


@pytest.fixture
def application(static_directory: Path) -> MembershipApplication:
    """An application of one of three nodes."""
    return MembershipApplication(static_directory)


@pytest_asyncio.fixture
async def client(application: MembershipApplication) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the administrator's token."""
    async with application.client() as client:
        yield client


def asked(application: MembershipApplication) -> list[object]:
    """All that the cluster was asked to do."""
    return [*application.invitations, *application.removed, *application.drained]


class TestInvitations:
    """POST /admin/v1/cluster/invitations."""

    async def test_all_is_told_that_a_new_node_needs(
        self, application: MembershipApplication, client: httpx2.AsyncClient
    ) -> None:
        """201; an hour unless another time is asked for; nobody is replaced."""
        reply = await client.post(INVITATIONS, json={})
        assert reply.status_code == 201
        assert reply.headers["cache-control"] == "no-store"  # it holds a secret
        assert reply.json() == {
            "node_id": INVITED,
            "token": "cd" * 32,
            "cluster_id": "a cluster",
            "epoch": 3,
            "domain": "example.org",
            "members": [
                {
                    "node_id": 1,
                    "host": MEMBER.host,
                    "port": 5269,
                    "fingerprint": MEMBER.fingerprint,
                    "http_url": MEMBER.http_url,
                    "xmpp_address": MEMBER.xmpp_address,
                }
            ],
        }
        assert application.invitations == [(None, 3_600_000)]

    @pytest.mark.parametrize(
        ("body", "asked_for"),
        [
            ({"replaces": 2}, (2, 3_600_000)),
            ({"replaces": None}, (None, 3_600_000)),
            ({"lifetime_s": 1}, (None, 1_000)),
            ({"replaces": 3, "lifetime_s": 86_400}, (3, 86_400_000)),
        ],
        ids=str,
    )
    async def test_what_is_asked_for_is_passed_on(
        self,
        application: MembershipApplication,
        client: httpx2.AsyncClient,
        body: dict[str, int | None],
        asked_for: tuple[int | None, int],
    ) -> None:
        """Whom the new node replaces, and how long its token is good: a second to a day."""
        assert (await client.post(INVITATIONS, json=body)).status_code == 201
        assert application.invitations == [asked_for]

    @pytest.mark.parametrize(
        "body",
        [{"lifetime_s": 0}, {"lifetime_s": 86_401}, {"lifetime_s": "1"}, {"replaces": "2"}, {"node_id": 7}, []],
        ids=str,
    )
    async def test_what_makes_no_sense_is_refused(
        self, application: MembershipApplication, client: httpx2.AsyncClient, body: object
    ) -> None:
        """400, and nobody is invited; a field that is misspelt is not passed over."""
        reply = await client.post(INVITATIONS, json=body)
        assert reply.status_code == 400
        assert reply.json()["error"]["condition"] == "bad-request"
        assert asked(application) == []


class TestNodes:
    """What is done to one node: DELETE /admin/v1/cluster/nodes/K, POST …/nodes/K/drain."""

    async def test_a_removal_is_begun(self, application: MembershipApplication, client: httpx2.AsyncClient) -> None:
        """202: it is done when the node is a member no more."""
        reply = await client.delete(f"{NODES}/2")
        assert (reply.status_code, reply.json()) == (202, {"removed": 2})
        assert application.removed == [2]

    @pytest.mark.parametrize("is_drained", [True, False])
    async def test_a_drain_is_passed_on(
        self, application: MembershipApplication, client: httpx2.AsyncClient, is_drained: bool
    ) -> None:
        """Both ways; 202, since the node is told and does not answer."""
        reply = await client.post(f"{NODES}/3/drain", json={"drained": is_drained})
        assert (reply.status_code, reply.json()) == (202, {"node": 3, "drained": is_drained})
        assert application.drained == [(3, is_drained)]

    @pytest.mark.parametrize("node", ["4", "0", "-1", "two", "²", "1.0", "9" * 5_000, "0000000015"])
    async def test_a_node_that_is_none_is_refused(
        self, application: MembershipApplication, client: httpx2.AsyncClient, node: str
    ) -> None:
        """404 with the node's name, and nobody is asked."""
        for reply in (
            await client.delete(f"{NODES}/{node}"),
            await client.post(f"{NODES}/{node}/drain", json={"drained": True}),
        ):
            assert reply.status_code == 404
            error = reply.json()["error"]
            assert error == {"condition": "item-not-found", "text": f"There is no node {node}."}
        assert asked(application) == []

    @pytest.mark.parametrize(
        "body", [{}, {"drained": "yes"}, {"drained": None}, {"drained": True, "now": True}], ids=str
    )
    async def test_a_drain_says_which_way(
        self, application: MembershipApplication, client: httpx2.AsyncClient, body: object
    ) -> None:
        """400 for everything but true and false."""
        reply = await client.post(f"{NODES}/2/drain", json=body)
        assert reply.status_code == 400
        assert reply.json()["error"]["condition"] == "bad-request"
        assert asked(application) == []


@every_request
@pytest.mark.parametrize("token", [None, "another", ""])
async def test_nothing_is_done_without_the_token(
    application: MembershipApplication, method: str, path: str, body: object, token: str | None
) -> None:
    """401, before anything else is looked at."""
    async with application.client(token=token) as client:
        reply = await client.request(method, path, json=body)
        nowhere = await client.request(method, path.replace("/2", "/9"), json={"nonsense": 1})
    assert (reply.status_code, nowhere.status_code) == (401, 401)
    assert reply.json()["error"]["condition"] == "not-authorized"
    assert reply.headers["www-authenticate"] == 'Bearer realm="raftline"'
    assert asked(application) == []


REFUSALS: list[tuple[RaftlineError, int, str, str]] = [
    (Refused("item-not-found", "cancel", "There is no node 2."), 404, "item-not-found", "There is no node 2."),
    (Refused("not-acceptable", "cancel", "It is the last one."), 400, "not-acceptable", "It is the last one."),
    (Busy("another change is under way"), 503, "service-unavailable", "another change is under way"),
    (NotLeader(2), 503, "service-unavailable", "does not lead"),
    (Unavailable("node 2 cannot be reached"), 503, "service-unavailable", "node 2 cannot be reached"),
    (OutcomeUnknown("no outcome"), 503, "remote-server-timeout", "not known"),
    (StorageError("secret path"), 500, "internal-server-error", "its log says why"),
]


@every_request
@pytest.mark.parametrize(("error", "status", "condition", "text"), REFUSALS, ids=lambda value: type(value).__name__)
async def test_each_refusal_has_its_status(
    application: MembershipApplication,
    client: httpx2.AsyncClient,
    method: str,
    path: str,
    body: object,
    error: RaftlineError,
    status: int,
    condition: str,
    text: str,
) -> None:
    """In the words of the one who refuses; what may be tried again says when."""
    application.failures = [error]
    reply = await client.request(method, path, json=body)
    assert reply.status_code == status
    found: dict[str, Any] = reply.json()["error"]
    assert found["condition"] == condition
    assert text in found["text"]
    assert ("retry-after" in reply.headers) == (status == 503)
    assert asked(application) == []


@pytest.mark.parametrize("path", [INVITATIONS, f"{NODES}/2/drain"])
async def test_a_body_is_json_of_a_size(
    application: MembershipApplication, client: httpx2.AsyncClient, path: str
) -> None:
    """415 for another type, 400 for no JSON, 413 for too much of it."""
    for content, kind, status in (
        (b'{"drained": true}', "text/plain", 415),
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b" " * (BODY_BYTES_MAX + 1), "application/json", 413),
    ):
        reply = await client.post(path, content=content, headers={"Content-Type": kind})
        assert reply.status_code == status, content[:20]
        assert reply.json()["error"]["text"]
    assert asked(application) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", INVITATIONS), ("GET", f"{NODES}/2"), ("POST", f"{NODES}/2"), ("DELETE", f"{NODES}/2/drain")],
)
async def test_other_methods_are_refused(
    application: MembershipApplication, client: httpx2.AsyncClient, method: str, path: str
) -> None:
    """405, in the one form of errors."""
    reply = await client.request(method, path)
    assert reply.status_code == 405
    assert reply.json()["error"]["condition"] == "not-allowed"
    assert asked(application) == []
