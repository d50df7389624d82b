"""
The HTTP application: all routes of a node, one error form, metrics.

WebSocket, BOSH and uploads are handed in as ASGI applications: this edge and the client gateway do not know each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from raftline.base.errors import RaftlineError
from raftline.web.admin import Admin, Endpoint
from raftline.web.backups import BackupEndpoints
from raftline.web.businesses.desk import Desk
from raftline.web.businesses.routes import business_routes
from raftline.web.cloud.routing import VersionedPaths
from raftline.web.health import Health, ReadyGate
from raftline.web.host_meta import BOSH_PATH, WEBSOCKET_PATH, HostMeta
from raftline.web.invitations import Invitations
from raftline.web.membership import Membership
from raftline.web.openapi.endpoints import document_routes
from raftline.web.operations import Operations
from raftline.web.overview import Overview
from raftline.web.page import Page, SecurityHeaders, security_policy
from raftline.web.portability import Portability
from raftline.web.replies import BadRequest, error_reply
from raftline.web.reports import Reports
from raftline.web.retention import Retention
from raftline.web.sister_nodes import SisterNodes

UPLOAD_PATH = "/upload/{path:path}"

_CONDITIONS = {404: "item-not-found", 405: "not-allowed", 413: "policy-violation"}


def make_app(
    *,
    page: Page,
    host_meta: HostMeta,
    admin: Admin,
    health: Health,
    registry: CollectorRegistry,
    websocket: ASGIApp,
    bosh: ASGIApp,
    upload: ASGIApp | None = None,
    files_url: str = "",
    operations: Operations | None = None,
    membership: Membership | None = None,
    backups: BackupEndpoints | None = None,
    portability: Portability | None = None,
    businesses: Desk | None = None,
    console: Sequence[BaseRoute] = (),
    cloud: ASGIApp | None = None,
) -> Starlette:
    """
    Join all endpoints of a node into one ASGI application; without the last ones nothing can be done to the cluster.

    `websocket`, `bosh` and `upload` are objects: functions would be taken for handlers of a request. `files_url` is
    where links to uploaded files lead, if not to a node. `console` is what the console serves: another edge as well.
    `cloud` serves whatever is under `/vN.N/`, its errors and a node that is not ready included.

    An error that nobody expected is answered here and then raised to the HTTP server, which logs it.
    """

    async def refuse(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RaftlineError | BadRequest), error
        return error_reply(error)

    async def refuse_route(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException), error
        condition = _CONDITIONS.get(error.status_code, "bad-request")
        return error_reply(BadRequest(error.status_code, condition, f"{error.detail}.", dict(error.headers or {})))

    async def fail(_request: Request, _error: Exception) -> Response:
        return error_reply(
            BadRequest(500, "internal-server-error", "The server failed on this request; its log says why.")
        )

    of_cluster = (operations, membership, backups, portability)
    app = Starlette(
        routes=[
            *health.routes(),
            Route("/metrics", _metrics_of(registry), methods=["GET"]),
            *admin.routes(),
            *Invitations(admin).routes(),
            *Reports(admin).routes(),
            *Retention(admin.node).routes(admin.guarded),
            *Overview(admin).routes(),
            *document_routes(),
            *(business_routes(businesses) if businesses is not None else ()),
            *(route for part in of_cluster if part is not None for route in part.routes(admin.guarded)),
            WebSocketRoute(WEBSOCKET_PATH, websocket, name="xmpp"),
            Route(BOSH_PATH, bosh, name="bosh"),
            *([Route(UPLOAD_PATH, upload, name="upload")] if upload is not None else ()),
            *console,
            *host_meta.routes(),
            *page.routes(),
        ],
        middleware=[
            *([Middleware(VersionedPaths, cloud=cloud)] if cloud is not None else ()),
            Middleware(SecurityHeaders, policy=lambda: security_policy(page.websockets(), files_url)),
            Middleware(SisterNodes, http_urls=host_meta.http_urls),
            Middleware(ReadyGate, health=health),
        ],
        exception_handlers={
            RaftlineError: refuse,
            BadRequest: refuse,
            HTTPException: refuse_route,
            Exception: fail,
        },
    )
    # "/client/register/" is another address than "/client/register"; a redirect would lose the body.
    app.router.redirect_slashes = False
    return app


def _metrics_of(registry: CollectorRegistry) -> Endpoint:
    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return metrics
