"""
Requests of every kind that the OpenAPI documents allow, and such as they do not, to a real service of one node.

Whatever is asked, the answer is one that the document tells of: never a failure of the server. Half of the requests
name what is there, so that they get further than to a 404.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

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
EXAMPLE_COUNT_LONG: Final = 400
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

Named = dict[str, dict[str, str]]
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
    for prefix, parameters in named.items():
        if operation.path.startswith(prefix):
            found += [operation.as_strategy(mode, path_parameters=parameters) for mode in modes]
    return strategies.one_of(found)


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


def ask_all(document: dict[str, Any], named: Named, base_url: str, token: str, *, is_long: bool) -> None:
    """Ask for everything that a document tells of; fail with all that went wrong."""
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


def prepare(url: str, token: str) -> Named:
    """Make what requests can name."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"

        def post(path: str, body: dict[str, str]) -> dict[str, str]:
            answer = session.post(f"{url}{path}", json=body, timeout=30)
            assert answer.status_code == 201, answer.text
            told: dict[str, str] = answer.json()
            return told

        post("/users", {"username": "ann", "password": "of ann"})
        shop = post("/businesses", {"name": "Shop", "number": "15550001111"})
        issued = post(f"/apps/{shop['app_id']}/tokens", {"label": "spare"})
    return {
        "/users/{name}": {"name": "ann"},
        "/businesses/{id}": {"id": shop["waba_id"]},
        "/numbers/{id}": {"id": shop["phone_number_id"]},
        "/apps/{id}": {"id": shop["app_id"], "token": issued["token_id"], "letter": "1-1"},
        "/cluster/nodes/{node}": {"node": "1"},
    }


async def ask_the_administration(node: Cluster, *, is_long: bool) -> None:
    """Ask for everything below `/admin/v1`."""
    url = f"http://127.0.0.1:{node.node(1).http}/admin/v1"
    token = str(node.description()["admin_token"])
    document = (await asyncio.to_thread(requests.get, f"{url}/openapi.json", timeout=30)).json()
    named = await asyncio.to_thread(prepare, url, token)
    await asyncio.to_thread(ask_all, document, named, url, token, is_long=is_long)


@pytest.mark.timeout(180)
async def test_the_administration(node: Cluster) -> None:
    """Some requests of each kind."""
    await ask_the_administration(node, is_long=False)


@pytest.mark.long
@pytest.mark.timeout(1_800)
async def test_the_administration_at_length(node: Cluster) -> None:
    """Many."""
    await ask_the_administration(node, is_long=True)
