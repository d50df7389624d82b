"""
Tokens that an application gets for its id and its secret (OAuth 2.0, RFC 6749 section 4.4).

    GET /oauth/access_token?grant_type=client_credentials&client_id=A&client_secret=S
        → {"access_token", "token_type": "bearer", "expires_in"}

Programs ask at every start. So the token is not drawn but made from the secret and the hour: every node gives the same
one, an hour long, and an application has two of them at most. Who has the secret can make it, who has the token cannot
get at the secret.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final, cast

from starlette.responses import Response

from raftline.base.errors import Refused
from raftline.machine.business.commands import IssueToken
from raftline.machine.business.ids import GraphKind, graph_id, parse_graph_id
from raftline.machine.business.queries import AppNamed, TokenAccess
from raftline.machine.business.tables import App
from raftline.machine.business.values import AppView, TokenView
from raftline.web.cloud.access import MANAGEMENT, MESSAGING, ask_freshly
from raftline.web.cloud.call import Call, Endpoint
from raftline.web.cloud.errors import Code, GraphError, graph_reply, missing
from raftline.web.replies import require_done

HOUR_MS: Final = 60 * 60 * 1000
LABEL: Final = "client credentials"
_GRANT: Final = "client_credentials"
_SCOPES: Final = f"{MANAGEMENT} {MESSAGING}"


async def issue_app_token(call: Call) -> Response:
    """Give an application its token of this hour."""
    query = call.query
    for name in ("client_id", "client_secret"):
        if not query.get(name):
            raise missing(name)
    if "code" in query or query.get("grant_type", _GRANT) != _GRANT:
        raise GraphError(Code.INVALID_PARAMETER, f"The only grant here is {_GRANT}: there is no sign-up by codes.")
    app = await _find_app(call, query["client_id"], query["client_secret"])
    hour = call.edge.wall_ms() // HOUR_MS
    token = token_of(app, hour)
    digest = sha256(token.encode()).digest()
    expires_ms = (hour + 2) * HOUR_MS
    known = cast("TokenView | None", await call.node.ask(TokenAccess(digest)))
    if known is None:
        actor = f"app {graph_id(GraphKind.APP, app.app_id)}"
        action = IssueToken(app.app_id, digest, LABEL, _SCOPES, actor, expires_ms)
        try:
            require_done(await call.node.execute(action, key=call.edge.entropy(16)))
        except Refused as refused:
            # Another node was asked at the same moment, and has issued the same one.
            if refused.condition != "conflict":
                raise
    left_s = (expires_ms - call.edge.wall_ms()) // 1000
    return graph_reply({"access_token": token, "token_type": "bearer", "expires_in": left_s})


def token_of(app: App, hour: int) -> str:
    """Return the token of an application for an hour, counted from 1970."""
    made = hmac.new(app.secret, f"access token {app.app_id} {hour}".encode(), sha256)
    return f"EAA{graph_id(GraphKind.APP, app.app_id)}{made.hexdigest()}"


async def _find_app(call: Call, client_id: str, secret: str) -> App:
    parsed = parse_graph_id(client_id)
    found = None
    if parsed is not None and parsed[0] is GraphKind.APP:
        found = cast("AppView | None", await ask_freshly(call.node, AppNamed(parsed[1])))
    if found is None or not hmac.compare_digest(found.app.secret.hex().encode(), secret.lower().encode()):
        raise GraphError(Code.INVALID_PARAMETER, "This is not the id and the secret of an application.")
    return found.app


ENDPOINTS: Final = (Endpoint("GET", "oauth", ("access_token",), issue_app_token, None),)
"""What this file serves."""
