"""`GET /vN.N/openapi.json`: what the Cloud API takes and answers, as an OpenAPI 3.1 document. It needs no token."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from starlette.responses import Response

from raftline.web.cloud.call import Call, Endpoint
from raftline.web.cloud.errors import graph_reply
from raftline.web.openapi.cloud_table import INTERFACE, OPERATIONS
from raftline.web.openapi.document import write_document

NAME: Final = "openapi.json"


async def show_document(call: Call) -> Response:
    """Serve the document of this version; pages of other sites may read it, as anybody may."""
    content = {**_document(), "servers": [{"url": f"/{call.version}"}]}
    return graph_reply(content, headers={"Access-Control-Allow-Origin": "*"})


@cache
def _document() -> dict[str, Any]:
    return write_document(INTERFACE, OPERATIONS)


ENDPOINTS: Final = (Endpoint("GET", NAME, (), show_document, None),)
"""What this file serves."""
