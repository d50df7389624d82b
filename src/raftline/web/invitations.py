"""
Invitations of people over HTTP, behind the administrator's token (XEP-0401).

    GET    /admin/v1/invitations      {"invitations": [{"id", "inviter", "username", "registers", "room", "uses",
                                      "expires_ms"}]}
    POST   /admin/v1/invitations      {"username": NAME or null, "lifetime_s": N}
                                      → 201 {"uri", "landing_url", "username", "expires_ms"}
    DELETE /admin/v1/invitations/ID   204

`inviter` is null for operators, `room` for what leads into no room, `landing_url` where browsers do not reach the node
by HTTPS. A link is told once, in the answer to its request, and to a repeat of it (repeatable.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.base.limits import (
    INVITE_DIGEST_SIZE,
    INVITE_LIFETIME_MAX_MS,
    INVITE_LIFETIME_MIN_MS,
    INVITE_LIFETIME_MS,
    OPERATOR_INVITE_COUNT_MAX,
)
from raftline.machine.invites.commands import IssueInvite, Purpose, RevokeInvite
from raftline.machine.invites.queries import ListInvites
from raftline.machine.invites.views import InviteView
from raftline.machine.outcomes import InviteIssued
from raftline.web.accounts import prepare_username
from raftline.web.admin import Admin
from raftline.web.repeatable import repeatable
from raftline.web.replies import BadRequest, json_reply, read_body, require_done
from raftline.xmpp.invites import TOKEN_BYTES, digest_of, landing_page, registration_link

_LIFETIME_S: Final = msgspec.Meta(ge=INVITE_LIFETIME_MIN_MS // 1000, le=INVITE_LIFETIME_MAX_MS // 1000)


class NewInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an invitation; without a name it is for any."""

    username: str | None = None
    lifetime_s: Annotated[int, _LIFETIME_S] = INVITE_LIFETIME_MS // 1000


@dataclass(frozen=True, slots=True)
class Invitations:
    """The endpoints."""

    admin: Admin

    def routes(self) -> list[Route]:
        """Return all routes, each behind the token."""
        guard = self.admin.guarded
        return [
            Route("/admin/v1/invitations", guard(self.list_open), methods=["GET"]),
            Route("/admin/v1/invitations", guard(self.create), methods=["POST"]),
            Route("/admin/v1/invitations/{id}", guard(self.revoke), methods=["DELETE"]),
        ]

    async def list_open(self, _request: Request) -> Response:
        """List open invitations, those first that expire first."""
        node = self.admin.node
        await node.barrier()
        found = cast("list[InviteView]", await node.ask(ListInvites(OPERATOR_INVITE_COUNT_MAX)))
        return json_reply(
            {
                "invitations": [
                    {
                        "id": view.digest.hex(),
                        "inviter": view.inviter or None,
                        "username": view.username or None,
                        "registers": bool(view.purposes & Purpose.REGISTER),
                        "room": view.room or None,
                        "uses": view.uses,
                        "expires_ms": view.expires_ms,
                    }
                    for view in found
                ]
            }
        )

    async def create(self, request: Request) -> Response:
        """Invite somebody to open an account."""
        admin = self.admin
        body = await read_body(request, NewInvitation)
        username = "" if body.username is None else prepare_username(body.username, admin.node.domain)
        key = admin.key_of(request)
        token = repeatable(key, admin.token, b"raftline-invlink", TOKEN_BYTES).hex()
        action = IssueInvite(digest_of(token), "", username, int(Purpose.REGISTER), body.lifetime_s * 1000)
        done = require_done(await admin.node.execute(action, key=key))
        assert isinstance(done.result, InviteIssued)
        link = registration_link(admin.node.domain, username, token)
        return json_reply(
            {
                "uri": link,
                "landing_url": landing_page(admin.page_url, link) or None,
                "username": username or None,
                "expires_ms": done.result.expires_ms,
            },
            201,
        )

    async def revoke(self, request: Request) -> Response:
        """Take an open invitation back."""
        try:
            digest = bytes.fromhex(request.path_params["id"])
        except ValueError:
            digest = b""
        if len(digest) != INVITE_DIGEST_SIZE:
            raise BadRequest(404, "item-not-found", "There is no such invitation.")
        require_done(await self.admin.node.execute(RevokeInvite(digest), key=self.admin.key_of(request)))
        return Response(status_code=204)
