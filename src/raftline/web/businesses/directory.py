"""Endpoints of businesses and their numbers; see the head of this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.base.business_limits import BUSINESS_COUNT_MAX
from raftline.machine.business.commands import AddNumber, ChangeNumber, CreateBusiness, DeleteBusiness, RemoveNumber
from raftline.machine.business.ids import GraphKind
from raftline.machine.business.queries import Businesses, NumberNamed
from raftline.machine.business.values import BusinessView, NumberView
from raftline.web.admin import page_limit
from raftline.web.businesses.bodies import (
    NewBusiness,
    NewNumber,
    NumberChange,
    checked_callback,
    checked_name,
    localpart_of,
)
from raftline.web.businesses.desk import Desk, actor_of, digest_of, id_in_path, id_in_query, no_such, used_key
from raftline.web.businesses.views import (
    BusinessPage,
    CreatedBusiness,
    app_id_of,
    business_id_of,
    number_id_of,
    show_business,
    show_number,
)
from raftline.web.cloud.cards import write_card
from raftline.web.replies import json_reply, read_body


@dataclass(frozen=True, slots=True)
class Directory:
    """The endpoints."""

    desk: Desk

    def routes(self) -> list[Route]:
        """Return all routes, each behind the token."""
        guard = self.desk.admin.guarded
        return [
            Route("/admin/v1/businesses", guard(self.list_some), methods=["GET"]),
            Route("/admin/v1/businesses", guard(self.create), methods=["POST"]),
            Route("/admin/v1/businesses/{id}", guard(self.show), methods=["GET"]),
            Route("/admin/v1/businesses/{id}", guard(self.delete), methods=["DELETE"]),
            Route("/admin/v1/businesses/{id}/numbers", guard(self.add_number), methods=["POST"]),
            Route("/admin/v1/numbers/{id}", guard(self.show_number), methods=["GET"]),
            Route("/admin/v1/numbers/{id}", guard(self.change_number), methods=["PATCH"]),
            Route("/admin/v1/numbers/{id}", guard(self.remove_number), methods=["DELETE"]),
        ]

    async def list_some(self, request: Request) -> Response:
        """List businesses by id, a page at a time."""
        limit = page_limit(request, BUSINESS_COUNT_MAX)
        after = id_in_query(request, "after", GraphKind.BUSINESS)
        node = self.desk.node
        await node.barrier()
        found = cast("list[BusinessView]", await node.ask(Businesses(after, limit + 1)))
        shown = [show_business(view, node.domain) for view in found[:limit]]
        return json_reply(BusinessPage(shown, shown[-1].waba_id if len(found) > limit else None))

    async def create(self, request: Request) -> Response:
        """Create a business; the receiver of its callback is verified first, unless this is a repeat."""
        desk = self.desk
        body = await read_body(request, NewBusiness)
        name, localpart = checked_name(body.name, "name"), localpart_of(body.number)
        token, secret = desk.token_for(request, body), desk.secret_for(request, body)
        if body.callback_url or body.verify_token:
            checked_callback(body.callback_url, body.verify_token)
            await desk.node.barrier()
            if await desk.token_view(token) is None:
                await desk.verify(body.callback_url, body.verify_token)
        action = CreateBusiness(
            name,
            localpart,
            secret,
            digest_of(token),
            " ".join(sorted(set(body.scopes))),
            actor_of(request),
            body.callback_url,
            body.verify_token,
            desk.expiry_ms(body.expires_s),
        )
        created = await desk.make(request, action)
        await desk.require_token(token)
        await self._write_card(created.number_id)
        content = CreatedBusiness(
            app_id=app_id_of(created.app_id),
            app_secret=secret.hex(),
            waba_id=business_id_of(created.business_id),
            phone_number_id=number_id_of(created.number_id),
            token=token,
            jid=f"{localpart}@{desk.node.domain}",
        )
        return json_reply(content, 201)

    async def show(self, request: Request) -> Response:
        """Show a business."""
        view = await self._business(id_in_path(request, GraphKind.BUSINESS))
        return json_reply(show_business(view, self.desk.node.domain))

    async def delete(self, request: Request) -> Response:
        """Delete a business with all that belongs to it."""
        business_id = id_in_path(request, GraphKind.BUSINESS)
        await self.desk.carry_out(request, DeleteBusiness(business_id, actor_of(request)))
        return Response(status_code=204)

    async def add_number(self, request: Request) -> Response:
        """Give a business another number."""
        business_id = id_in_path(request, GraphKind.BUSINESS)
        body = await read_body(request, NewNumber)
        localpart = localpart_of(body.number)
        if body.verified_name is None:
            name = (await self._business(business_id)).business.name
        else:
            name = checked_name(body.verified_name, "verified_name")
        created = await self.desk.make(request, AddNumber(business_id, localpart, name, actor_of(request)))
        number = await self._number(created.number_id)
        if number is None or number.number.localpart != localpart:
            raise used_key()
        await write_card(self.desk.node, number.number)
        return json_reply(show_number(number.number, self.desk.node.domain), 201)

    async def show_number(self, request: Request) -> Response:
        """Show a number."""
        number_id = id_in_path(request, GraphKind.NUMBER)
        await self.desk.node.barrier()
        return await self._shown(number_id)

    async def change_number(self, request: Request) -> Response:
        """Change the name, the limits or the registration of a number."""
        number_id = id_in_path(request, GraphKind.NUMBER)
        body = await read_body(request, NumberChange)
        name = None if body.verified_name is None else checked_name(body.verified_name, "verified_name")
        action = ChangeNumber(
            number_id,
            actor_of(request),
            verified_name=name,
            per_second=body.per_second,
            pair_per_minute=body.pair_per_minute,
            is_registered=body.registered,
        )
        await self.desk.carry_out(request, action)
        if name is not None:
            await self._write_card(number_id)
        return await self._shown(number_id)

    async def remove_number(self, request: Request) -> Response:
        """Remove a number with its account."""
        number_id = id_in_path(request, GraphKind.NUMBER)
        await self.desk.carry_out(request, RemoveNumber(number_id, actor_of(request)))
        return Response(status_code=204)

    async def _business(self, business_id: int) -> BusinessView:
        """Return a business, after a read barrier."""
        await self.desk.node.barrier()
        found = cast("list[BusinessView]", await self.desk.node.ask(Businesses(business_id - 1, 1)))
        if not found or found[0].business.business_id != business_id:
            raise no_such(GraphKind.BUSINESS)
        return found[0]

    async def _number(self, number_id: int) -> NumberView | None:
        return cast("NumberView | None", await self.desk.node.ask(NumberNamed(number_id)))

    async def _write_card(self, number_id: int) -> None:
        """Let people see the name of a number, which may have been removed meanwhile."""
        number = await self._number(number_id)
        if number is not None:
            await write_card(self.desk.node, number.number)

    async def _shown(self, number_id: int) -> Response:
        view = await self._number(number_id)
        if view is None:
            raise no_such(GraphKind.NUMBER)
        return json_reply(show_number(view.number, self.desk.node.domain))
