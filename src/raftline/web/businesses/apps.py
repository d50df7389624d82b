"""Endpoints of applications, their tokens and callbacks; see the head of this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.machine.business.commands import (
    ChangeApp,
    CreateApp,
    DeleteApp,
    IssueToken,
    RevokeToken,
    SetCallback,
)
from raftline.machine.business.ids import GraphKind, parse_graph_id
from raftline.machine.business.queries import NumberNamed, TokensOf
from raftline.machine.business.tables import App, Token
from raftline.machine.business.values import NumberView
from raftline.web.businesses.bodies import (
    NewApp,
    NewCallback,
    NewToken,
    Streams,
    checked_callback,
    checked_label,
    checked_name,
)
from raftline.web.businesses.desk import Desk, actor_of, digest_of, id_in_path, used_key
from raftline.web.businesses.views import (
    CallbackList,
    CreatedApp,
    IssuedToken,
    TokenList,
    app_id_of,
    show_app_details,
    show_callback,
    show_token,
)
from raftline.web.replies import BadRequest, json_reply, read_body


@dataclass(frozen=True, slots=True)
class Apps:
    """The endpoints."""

    desk: Desk

    def routes(self) -> list[Route]:
        """Return all routes, each behind the token."""
        guard = self.desk.admin.guarded
        app = "/admin/v1/apps/{id}"
        return [
            Route("/admin/v1/businesses/{id}/apps", guard(self.create), methods=["POST"]),
            Route(app, guard(self.show), methods=["GET"]),
            Route(app, guard(self.delete), methods=["DELETE"]),
            Route(f"{app}/secret", guard(self.rotate_secret), methods=["POST"]),
            Route(f"{app}/streams", guard(self.set_streams), methods=["PUT"]),
            Route(f"{app}/tokens", guard(self.list_tokens), methods=["GET"]),
            Route(f"{app}/tokens", guard(self.issue_token), methods=["POST"]),
            Route(f"{app}/tokens/{{token}}", guard(self.revoke_token), methods=["DELETE"]),
            Route(f"{app}/callbacks", guard(self.list_callbacks), methods=["GET"]),
            Route(f"{app}/callbacks", guard(self.set_callback), methods=["PUT"]),
            Route(f"{app}/callbacks", guard(self.remove_callback), methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> Response:
        """Give a business another application; it has no token yet."""
        desk = self.desk
        business_id = id_in_path(request, GraphKind.BUSINESS)
        body = await read_body(request, NewApp)
        secret = desk.secret_for(request, body)
        action = CreateApp(business_id, checked_name(body.name, "name"), secret, actor_of(request))
        created = await desk.make(request, action)
        return await self._told_secret(created.app_id, secret, 201)

    async def show(self, request: Request) -> Response:
        """Show an application."""
        return json_reply(show_app_details(await self.desk.app(request)))

    async def delete(self, request: Request) -> Response:
        """Delete an application with its tokens, callbacks and events."""
        app_id = id_in_path(request, GraphKind.APP)
        await self.desk.carry_out(request, DeleteApp(app_id, actor_of(request)))
        return Response(status_code=204)

    async def rotate_secret(self, request: Request) -> Response:
        """Give an application another secret; what is sent to it from now on is signed with it."""
        app_id = id_in_path(request, GraphKind.APP)
        secret = self.desk.secret_for(request)
        await self.desk.carry_out(request, ChangeApp(app_id, actor_of(request), secret=secret))
        return await self._told_secret(app_id, secret, 200)

    async def set_streams(self, request: Request) -> Response:
        """Have events kept for streams, or not."""
        app_id = id_in_path(request, GraphKind.APP)
        body = await read_body(request, Streams)
        await self.desk.carry_out(request, ChangeApp(app_id, actor_of(request), streams=body.streams))
        return json_reply(show_app_details(await self.desk.app_by_id(app_id)))

    async def list_tokens(self, request: Request) -> Response:
        """List tokens."""
        view = await self.desk.app(request)
        return json_reply(TokenList([show_token(token) for token in await self._tokens(view.app.app_id)]))

    async def issue_token(self, request: Request) -> Response:
        """Let a new token speak for an application."""
        desk = self.desk
        app_id = id_in_path(request, GraphKind.APP)
        body = await read_body(request, NewToken)
        token = desk.token_for(request, body)
        action = IssueToken(
            app_id,
            digest_of(token),
            checked_label(body.label),
            " ".join(sorted(set(body.scopes))),
            actor_of(request),
            desk.expiry_ms(body.expires_s),
        )
        await desk.make(request, action)
        shown = show_token((await desk.require_token(token)).token)
        return json_reply(IssuedToken(**msgspec.structs.asdict(shown), token=token), 201)

    async def revoke_token(self, request: Request) -> Response:
        """Forget a token; requests that show it are refused from now on."""
        view = await self.desk.app(request)
        text = request.path_params["token"]
        known = {str(token.token_id) for token in await self._tokens(view.app.app_id)}
        if text not in known:
            raise BadRequest(404, "item-not-found", "The application has no such token.")
        await self.desk.carry_out(request, RevokeToken(int(text), actor_of(request)))
        return Response(status_code=204)

    async def list_callbacks(self, request: Request) -> Response:
        """List callbacks."""
        view = await self.desk.app(request)
        return json_reply(CallbackList([show_callback(callback) for callback in view.callbacks]))

    async def set_callback(self, request: Request) -> Response:
        """Set a callback, once its receiver has answered that it expects us."""
        desk = self.desk
        app_id = id_in_path(request, GraphKind.APP)
        body = await read_body(request, NewCallback)
        checked_callback(body.url, body.verify_token)
        await self._check_scope((await desk.app(request)).app, body.scope)
        await desk.verify(body.url, body.verify_token)
        fields = ",".join(sorted({field.strip() for field in body.fields}))
        action = SetCallback(app_id, body.scope, body.url, body.verify_token, fields, actor_of(request))
        await desk.carry_out(request, action)
        view = await desk.app_by_id(app_id)
        return json_reply(CallbackList([show_callback(callback) for callback in view.callbacks]))

    async def remove_callback(self, request: Request) -> Response:
        """Remove the callback of a scope, that of the application when none is named."""
        view = await self.desk.app(request)
        scope = request.query_params.get("scope", "app")
        if scope not in {callback.scope for callback in view.callbacks}:
            raise BadRequest(404, "item-not-found", "The application has no callback of this scope.")
        await self.desk.carry_out(request, SetCallback(view.app.app_id, scope, "", "", "", actor_of(request)))
        return Response(status_code=204)

    async def _check_scope(self, app: App, scope: str) -> None:
        """Refuse a scope that is neither the application's own, nor its business, nor a number of it."""
        found, business_id = parse_graph_id(scope), 0
        if found is not None and found[0] is GraphKind.BUSINESS:
            business_id = found[1]
        elif found is not None and found[0] is GraphKind.NUMBER:
            view = cast("NumberView | None", await self.desk.node.ask(NumberNamed(found[1])))
            business_id = 0 if view is None else view.business.business_id
        if scope != "app" and business_id != app.business_id:
            text = "scope must be `app`, the id of the application's business, or that of a number of it."
            raise BadRequest(400, "bad-request", text)

    async def _tokens(self, app_id: int) -> list[Token]:
        return cast("list[Token]", await self.desk.node.ask(TokensOf(app_id)))

    async def _told_secret(self, app_id: int, secret: bytes, status: int) -> Response:
        """Tell a new secret, once it is seen to be the one that the application has."""
        view = await self.desk.app_by_id(app_id)
        if view.app.secret != secret:
            raise used_key()
        return json_reply(CreatedApp(app_id_of(app_id), secret.hex()), status)
