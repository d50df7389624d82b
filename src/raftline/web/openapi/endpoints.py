"""Where the OpenAPI documents are served."""

from __future__ import annotations

from functools import cache
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.web.openapi.admin_table import INTERFACE, OPERATIONS, PREFIX
from raftline.web.openapi.document import write_document

ADMIN_DOCUMENT_PATH: Final = f"{PREFIX}/openapi.json"

_HEADERS: Final = {"Access-Control-Allow-Origin": "*", "Cache-Control": "max-age=300"}


def document_routes() -> list[Route]:
    """Return the route of the administration's document; that of the Cloud API is one of its own endpoints."""
    return [Route(ADMIN_DOCUMENT_PATH, show_admin_document, methods=["GET"])]


async def show_admin_document(_request: Request) -> Response:
    """Serve the document of `/admin/v1`; pages of other sites may read it, as anybody may."""
    return Response(_admin_document(), media_type="application/json", headers=_HEADERS)


@cache
def _admin_document() -> bytes:
    return msgspec.json.encode(write_document(INTERFACE, OPERATIONS))
