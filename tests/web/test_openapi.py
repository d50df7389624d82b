"""The OpenAPI documents: they are valid, and tell of what there is and of nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import schemathesis
from starlette.routing import Route

from raftline.web.admin import Endpoint
from raftline.web.backups import BackupEndpoints
from raftline.web.cloud import document as cloud_document
from raftline.web.cloud import refused
from raftline.web.cloud.endpoints import ENDPOINTS
from raftline.web.openapi.admin_table import OPERATIONS, PREFIX
from raftline.web.openapi.cloud_table import OPERATIONS as CLOUD_OPERATIONS
from raftline.web.openapi.cloud_table import ROWS
from raftline.web.openapi.endpoints import ADMIN_DOCUMENT_PATH
from raftline.web.portability import Portability
from web.application import Application, derive
from web.cloud.door import CloudDoor
from web.cloud.serving import client_of
from web.memberships import MembershipApplication
from web.test_backups import Fake

_CONVERTER = re.compile(r"\{(\w+):path\}")


def routes(folder: Path) -> set[tuple[str, str]]:
    """Method and path of all that a node serves below `/admin/v1`, but for the document."""
    application = MembershipApplication(folder)

    def guard(endpoint: Endpoint) -> Endpoint:
        return endpoint

    fake = Fake()
    backups = BackupEndpoints(fake.begin, fake.look, fake.chunk, fake.end)
    portability = Portability(application.door, derive, bytes, print)
    found = [*application.app.router.routes, *backups.routes(guard), *portability.routes(guard)]
    return {
        (method, _CONVERTER.sub(r"{\1}", route.path))
        for route in found
        if isinstance(route, Route) and route.path.startswith(PREFIX) and route.path != ADMIN_DOCUMENT_PATH
        for method in (route.methods or set()) - {"HEAD"}
    }


async def fetch(application: Application) -> dict[str, Any]:
    """The document, as anybody gets it."""
    async with application.client(None) as client:
        answer = await client.get(ADMIN_DOCUMENT_PATH)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    return document


async def test_it_is_valid(application: Application) -> None:
    """It is OpenAPI 3.1; every operation has a name of its own, and every reference leads somewhere."""
    document = await fetch(application)
    assert operation_count(document) == len(OPERATIONS)


def operation_count(document: dict[str, Any]) -> int:
    """Check that a document is valid, and that its operations have different names; return how many there are."""
    assert document["openapi"] == "3.1.0"
    schema = schemathesis.openapi.from_dict(document)
    schema.validate()
    found = [result.ok() for result in schema.get_all_operations()]
    assert len({operation.definition.raw["operationId"] for operation in found}) == len(found)
    return len(found)


def test_it_tells_of_all_there_is(static_directory: Path) -> None:
    """Each route has its row, and each row its route."""
    told = {(operation.method, PREFIX + operation.path) for operation in OPERATIONS}
    assert told == routes(static_directory)
    assert len(told) == len(OPERATIONS)


async def test_what_it_says_of_bodies_is_what_they_are_read_by(application: Application) -> None:
    """Bounds of fields stand in it, and that there may be no others."""
    document = await fetch(application)
    schemas = document["components"]["schemas"]
    assert schemas["NewBusiness"]["additionalProperties"] is False
    assert schemas["NewBusiness"]["required"] == ["name", "number"]
    create = document["paths"]["/businesses"]["post"]
    body = create["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/NewBusiness"}
    assert [parameter["name"] for parameter in create["parameters"]] == ["Idempotency-Key"]
    assert {"201", "400", "401", "409", "413", "415", "503"} == set(create["responses"])
    limit = next(one for one in document["paths"]["/users"]["get"]["parameters"] if one["name"] == "limit")
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"]) == (1, 1_000)


class TestCloud:
    """`/vN.N/openapi.json`."""

    async def test_it_is_valid(self) -> None:
        """It needs no token, is of the version that was asked for, and any page may read it."""
        async with client_of(CloudDoor(), None, version="v19.0") as client:
            answer = await client.get("/openapi.json")
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        document = answer.json()
        assert document["servers"] == [{"url": "/v19.0"}]
        assert operation_count(document) == len(CLOUD_OPERATIONS)

    def test_it_tells_of_all_there_is(self) -> None:
        """Each endpoint has its row, and each row its endpoints; what is refused by name is not in it."""
        served = [one for one in ENDPOINTS if one not in refused.ENDPOINTS and one not in cloud_document.ENDPOINTS]
        there_are = {(endpoint.method, endpoint.subject, endpoint.rest) for endpoint in served}
        told = [(row.operation.method, subject, row.rest) for row in ROWS for subject in row.subjects]
        assert set(told) == there_are
        assert len(told) == len(there_are)

    def test_it_says_which_need_a_token(self) -> None:
        """As the endpoints do."""
        is_open = {
            (row.operation.method, subject, row.rest)
            for row in ROWS
            if row.operation.is_open
            for subject in row.subjects
        }
        assert is_open == {
            (one.method, one.subject, one.rest)
            for one in ENDPOINTS
            if one.scope is None and one not in cloud_document.ENDPOINTS
        }
