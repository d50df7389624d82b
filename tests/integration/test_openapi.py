"""
Requests of every kind that the OpenAPI documents allow, and such as they do not, to a real service of one node.

Whatever is asked, the answer is one that the document tells of: never a failure of the server. Half of the requests
name what is there, so that they get further than to a 404.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from integration.cluster_process import Cluster

EXAMPLE_COUNT: Final = 10
EXAMPLE_COUNT_LONG: Final = 300
"""Of each operation."""

load_all_checks()
LOOKED_AT: Final = CHECKS.get_by_names(
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)

RECIPIENT: Final = "15551234567"
TYPES: Final = ("interactive", "template", "contacts", "location", "reaction", "image", "audio", "document", "text")

Named = dict[str, list[dict[str, str]]]
"""What there is, by name in a path, of the paths that begin so."""


@pytest_asyncio.fixture
async def node(cluster_folder: Path) -> AsyncIterator[Cluster]:
    """A cluster of one node."""
    async with Cluster(cluster_folder, 1) as running:
        yield running


def strategy_of(operation: APIOperation, named: Named) -> strategies.SearchStrategy[Case]:
    """What may be asked and what may not, of what there is and of what there is not."""
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    found = [operation.as_strategy(mode) for mode in modes]
    for prefix, things in named.items():
        if operation.path.startswith(prefix):
            known = [operation.as_strategy(mode, path_parameters=thing) for mode in modes for thing in things]
            found += [*known, *(strategy.map(steered) for strategy in known)]
    return strategies.one_of(found)


def steered(case: Case) -> Case:
    """Let a request of the Cloud API get further: for the product that there is, to somebody, of a type that it has."""
    if isinstance(case.body, dict) and case.operation.path.startswith("/{phone_number_id}"):
        case.body["messaging_product"] = "whatsapp"
        if case.operation.path.endswith("/messages"):
            case.body |= {"to": RECIPIENT, "recipient_type": "individual"}
            for name in ("status", "context"):  # of a message that there is not
                case.body.pop(name, None)
            case.body["type"] = next((kind for kind in TYPES if case.body.get(kind)), "text")
    return case


def ask(operation: APIOperation, named: Named, base_url: str, token: str, *, is_long: bool) -> None:
    """Ask for one operation in many ways, and look at each answer."""
    with requests.Session() as session:

        @settings(
            max_examples=EXAMPLE_COUNT_LONG if is_long else EXAMPLE_COUNT,
            deadline=None,
            database=None,
            derandomize=not is_long,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy_of(operation, named))
        def look(case: Case) -> None:
            case.headers["Authorization"] = f"Bearer {token}"
            answer = case.call_and_validate(base_url=base_url, session=session, checks=LOOKED_AT)
            assert answer.status_code not in {500, 501, 502}, answer.text

        look()


def order_of(operation: APIOperation) -> tuple[bool, int]:
    """What deletes comes last, and of that what is deleted with something else comes first."""
    return operation.method.upper() == "DELETE", -operation.path.count("/")


def ask_all(address: str, named: Named, base_url: str, token: str, *, is_long: bool) -> None:
    """Ask for everything that a document tells of; fail with all that went wrong."""
    document = requests.get(address, timeout=30).json()
    found = [result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations()]
    failures: list[BaseException] = []
    for operation in sorted(found, key=order_of):
        try:
            ask(operation, named, base_url, token, is_long=is_long)
        except (AssertionError, FailureGroup) as error:
            error.add_note(operation.label)
            failures.append(error)
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {len(found)} operations", failures)


class Prepared(NamedTuple):
    """A node that has something of each kind, and what requests can name."""

    url: str
    admin_token: str
    cloud_token: str
    of_admin: Named
    of_cloud: Named


def prepare(url: str, admin_token: str) -> Prepared:
    """Make what requests can name."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {admin_token}"

        def post(path: str, body: dict[str, Any]) -> dict[str, str]:
            answer = session.post(f"{url}{path}", json=body, timeout=30)
            assert answer.ok, answer.text
            told: dict[str, str] = answer.json()
            return told

        for name in ("ann", RECIPIENT):
            post("/admin/v1/users", {"username": name, "password": f"of {name}"})
        shop = post("/admin/v1/businesses", {"name": "Shop", "number": "15550001111"})
        issued = post(f"/admin/v1/apps/{shop['app_id']}/tokens", {"label": "spare"})
        session.headers["Authorization"] = f"Bearer {shop['token']}"
        number, file = shop["phone_number_id"], ("order.txt", b"1 cup", "text/plain")
        form = {"messaging_product": "whatsapp", "type": "text/plain"}
        media = session.post(f"{url}/v26.0/{number}/media", data=form, files={"file": file}, timeout=30).json()
        body = {"type": "BODY", "text": "Hello"}
        template = {"name": "hello", "language": "en", "category": "UTILITY", "components": [body]}
        stored = post(f"/v26.0/{shop['waba_id']}/message_templates", template)
        upload = post(f"/v26.0/{shop['app_id']}/uploads?file_length=5&file_type=image/png", {})
        group = post(f"/v26.0/{number}/groups", {"messaging_product": "whatsapp", "subject": "Regulars"})
    return Prepared(
        url,
        admin_token,
        shop["token"],
        {
            "/users/{name}": [{"name": "ann"}],
            "/businesses/{id}": [{"id": shop["waba_id"]}],
            "/numbers/{id}": [{"id": number}],
            "/apps/{id}": [{"id": shop["app_id"], "token": issued["token_id"], "letter": "1-1"}],
            "/cluster/nodes/{node}": [{"node": "1"}],
        },
        {
            "/{phone_number_id}": [{"phone_number_id": number}],
            "/{waba_id}": [{"waba_id": shop["waba_id"]}],
            "/{app_id}": [{"app_id": shop["app_id"]}],
            "/{group_id}": [{"group_id": group["id"]}],
            "/{id}": [
                {"id": one} for one in (number, shop["waba_id"], media["id"], stored["id"], group["id"], upload["id"])
            ],
        },
    )


@pytest_asyncio.fixture
async def prepared(node: Cluster) -> Prepared:
    """What there is on it."""
    url = f"http://127.0.0.1:{node.node(1).http}"
    return await asyncio.to_thread(prepare, url, str(node.description()["admin_token"]))


async def ask_the_cloud(prepared: Prepared, *, is_long: bool) -> None:
    """Ask for everything of the Cloud API."""
    url = f"{prepared.url}/v26.0"
    await asyncio.to_thread(
        ask_all, f"{url}/openapi.json", prepared.of_cloud, url, prepared.cloud_token, is_long=is_long
    )


async def ask_the_administration(prepared: Prepared, *, is_long: bool) -> None:
    """Ask for everything below `/admin/v1`."""
    url = f"{prepared.url}/admin/v1"
    await asyncio.to_thread(
        ask_all, f"{url}/openapi.json", prepared.of_admin, url, prepared.admin_token, is_long=is_long
    )


@pytest.mark.timeout(240)
async def test_both(prepared: Prepared) -> None:
    """Some requests of each kind; the administration last, as it deletes what the other names."""
    await ask_the_cloud(prepared, is_long=False)
    await ask_the_administration(prepared, is_long=False)


@pytest.mark.long
@pytest.mark.timeout(3_600)
async def test_both_at_length(prepared: Prepared) -> None:
    """Many, and others each time."""
    await ask_the_cloud(prepared, is_long=True)
    await ask_the_administration(prepared, is_long=True)
