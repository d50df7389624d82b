"""
Who calls, and what of: bearer tokens, their scopes, and whether what a path names is their business's.

A token is `Authorization: Bearer TOKEN` or the query's `access_token`. It is found by its SHA-256 in this node's
replica without a read barrier, so that a send costs none; only one that is not found is looked for again behind a
barrier, as it may have been issued at another node a moment ago. The same goes for what a path names. A token that was
revoked may so be good at another node for as long as that lags behind, some milliseconds.

`APP_ID|APP_SECRET` is a token as well: an application speaks for itself so, to set up where it is told of events.
"""

from __future__ import annotations

import asyncio
import hmac
from hashlib import sha256
from typing import Final, cast

from starlette.requests import Request

from raftline.base.cloud_limits import CLOUD_WAIT_S
from raftline.base.errors import Unavailable
from raftline.machine.business.ids import GraphKind, parse_graph_id
from raftline.machine.business.queries import AppNamed, Businesses, NumberNamed, TokenAccess
from raftline.machine.business.tables import Token
from raftline.machine.business.values import AppView, BusinessView, NumberView, TokenView
from raftline.machine.queries import Query
from raftline.node.door import Node
from raftline.web.cloud.errors import Code, GraphError, unknown_object

MESSAGING: Final = "whatsapp_business_messaging"
MANAGEMENT: Final = "whatsapp_business_management"


def shown_token(request: Request) -> str:
    """
    Return the token that a request shows.

    Raises:
        GraphError: It shows none.
    """
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, shown = header.partition(" ")
        token = shown.strip() if scheme.lower() == "bearer" else ""
    else:
        token = request.query_params.get("access_token", "")
    if not token:
        raise _refused_token("This needs an access token (Authorization: Bearer TOKEN).")
    return token


async def admit(node: Node, token: str) -> TokenView:
    """
    Return who a token speaks for.

    Raises:
        GraphError: 190 for one that is not known, or too old.
        Unavailable: It is not known here, and there is no quorum to ask.
    """
    if "|" in token:
        return await _admit_app(node, token)
    view = cast("TokenView | None", await ask_freshly(node, TokenAccess(sha256(token.encode()).digest())))
    if view is None:
        raise _refused_token("This access token is not known; it may have been revoked.")
    if view.is_expired:
        raise _refused_token("This access token has expired.")
    return view


def require_scope(view: TokenView, scope: str) -> None:
    """
    Check that a token may be used for something.

    Raises:
        GraphError: 200, naming what is missing.
    """
    if scope and scope not in view.token.scopes.split(" "):
        raise GraphError(Code.SCOPE, f"This needs a token with the permission {scope}.")


async def find_number(node: Node, view: TokenView, number_id: int, text: str) -> NumberView:
    """
    Return a number of the token's business.

    Raises:
        GraphError: 100 with subcode 33 for none at all, 10 for another's; `text` is how the path names it.
    """
    found = cast("NumberView | None", await ask_freshly(node, NumberNamed(number_id)))
    if found is None:
        raise unknown_object(text)
    require_own(view, found.number.business_id, text)
    return found


async def require_app(node: Node, view: TokenView, app_id: int, text: str) -> None:
    """Check that an application is the token's, or of its business; errors as for `find_number`."""
    if app_id == view.app.app_id:
        return
    found = cast("AppView | None", await ask_freshly(node, AppNamed(app_id)))
    if found is None:
        raise unknown_object(text)
    require_own(view, found.app.business_id, text)


async def require_business(node: Node, view: TokenView, business_id: int, text: str) -> None:
    """Check that a business is the token's; errors as for `find_number`."""
    if business_id == view.app.business_id:
        return
    found = cast("list[BusinessView]", await node.ask(Businesses(business_id - 1, 1)))
    if not found or found[0].business.business_id != business_id:
        raise unknown_object(text)
    require_own(view, business_id, text)


def require_own(view: TokenView, business_id: int, text: str) -> None:
    """
    Check that something belongs to the token's business.

    Raises:
        GraphError: 10; `text` names it.
    """
    if business_id != view.app.business_id:
        raise GraphError(Code.PERMISSION, f"{text[:100]!r} belongs to another business.")


async def ask_freshly(node: Node, query: Query) -> object:
    """
    Ask this node's replica, and once more behind a barrier when it knows of nothing.

    Raises:
        Unavailable: There is no quorum to ask.
    """
    found = await node.ask(query)
    if found is None:
        try:
            async with asyncio.timeout(CLOUD_WAIT_S):
                await node.barrier()
        except TimeoutError as error:
            raise Unavailable("there is no quorum") from error
        found = await node.ask(query)
    return found


async def _admit_app(node: Node, token: str) -> TokenView:
    name, _, secret = token.partition("|")
    parsed = parse_graph_id(name)
    found = None
    if parsed is not None and parsed[0] is GraphKind.APP:
        found = cast("AppView | None", await ask_freshly(node, AppNamed(parsed[1])))
    if found is None or not hmac.compare_digest(found.app.secret.hex().encode(), secret.lower().encode()):
        raise _refused_token("This is not the id and the secret of an application.")
    return TokenView(Token(b"", 0, found.app.app_id, "app", MANAGEMENT, found.app.created_ms, 0), found.app, False)


def _refused_token(details: str) -> GraphError:
    return GraphError(Code.TOKEN, details, headers={"WWW-Authenticate": 'Bearer realm="raftline"'})
