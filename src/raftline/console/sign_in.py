"""
Signing in at the console.

    POST   /console/session   {"username", "password"} or {"token"} → 201, sets the cookie
    PUT    /console/session   by the cookie or a pass → 200, a new pass; 204 with neither: nobody is signed in
    DELETE /console/session   204, takes the cookie away

201 and 200 are `{"pass", "lifetime_ms", "account"}`. Who may sign in by an account is who may administer the service
from a client (XEP-0133): the setting `xmpp.administrators`. The token of the cluster works without a quorum, an account
needs one. Bodies must be declared as JSON, which another site's page cannot send without asking first (CORS).
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.base.errors import Refused
from raftline.console.sessions import LOGIN_LIFETIME_MS, Login, Sessions
from raftline.machine.commands import Credential
from raftline.machine.queries import CredentialsOf
from raftline.node.door import Node
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.sasl import decoy_credential, find_credential

PATH: Final = "/console/session"
COOKIE: Final = "raftline_console"
MECHANISM: Final = "SCRAM-SHA-256"
BODY_BYTES_MAX: Final = 8_192

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Limit(Protocol):
    """How often something may happen for each of many names."""

    def wait_ns(self, address: str, now_ns: int) -> int:
        """Take one; returns 0, or how long until there is one again."""


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a sign-in: name and password of an account, or the token."""

    username: str = ""
    password: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """
    The endpoints.

    Attributes:
        token: Of the cluster.
        by_address, by_account: How often it may be tried from an address, and for an account from anywhere.
        check: Compares a password with what is kept of it, off the loop; raises Busy when too many wait.
        decoy_key: For credentials of accounts that are none, which take as long to compare.
        clock: Monotonic nanoseconds.
    """

    node: Node
    sessions: Sessions
    token: str
    by_address: Limit
    by_account: Limit
    check: Callable[[str, Credential], Awaitable[bool]]
    decoy_key: bytes
    clock: Callable[[], int]

    def routes(self) -> list[Route]:
        """Return all routes."""
        return [
            Route(PATH, self.begin, methods=["POST"]),
            Route(PATH, self.renew, methods=["PUT"]),
            Route(PATH, self.end, methods=["DELETE"]),
        ]

    async def begin(self, request: Request) -> Response:
        """
        Sign in.

        Raises:
            Refused: `not-authorized` (401), `forbidden` (403) for an account that is no administrator's,
                `policy-violation` (429) after too many attempts.
            Unavailable, Busy: An account cannot be looked up now, or too many passwords wait.
        """
        proof = await _read_proof(request)
        self._require_patience(self.by_address, request.client.host if request.client is not None else "")
        if proof.token:
            if not hmac.compare_digest(proof.token.strip().encode(), self.token.encode()):
                raise Refused("not-authorized", "auth", "This is not the token of the cluster.")
            login = self.sessions.begin("", b"")
        else:
            login = await self._log_in(proof)
        return self._reply(request, login, 201)

    async def _log_in(self, proof: Proof) -> Login:
        try:
            account = parse_jid(f"{proof.username.partition('@')[0]}@{self.node.domain}").local
        except ValueError as error:
            raise _wrong() from error
        self._require_patience(self.by_account, account)
        credential = await self._credential(account)
        known = credential or decoy_credential(MECHANISM, account, self.decoy_key)
        if not await self.check(proof.password, known) or credential is None:
            raise _wrong()
        if not self.sessions.is_administrator(account):
            raise Refused("forbidden", "auth", "This account is not an administrator's (xmpp.administrators).")
        return self.sessions.begin(account, self.sessions.proof_of(credential))

    async def _credential(self, account: str) -> Credential | None:
        await self.node.barrier()
        found = cast("tuple[Credential, ...]", await self.node.ask(CredentialsOf(account)))
        return find_credential(found, MECHANISM)

    def _require_patience(self, limit: Limit, name: str) -> None:
        wait_ns = limit.wait_ns(name, self.clock())
        if wait_ns:
            raise Refused("policy-violation", "wait", f"Too many attempts; try again in {wait_ns // 10**9 + 1} s.")

    async def renew(self, request: Request) -> Response:
        """
        Give a new pass.

        Raises:
            Refused: `not-authorized`: signed out, too long ago, another password, or no administrator any more.
            Unavailable: An account cannot be looked up now.
        """
        if not bearer(request) and COOKIE not in request.cookies:
            return Response(status_code=204, headers=_NO_STORE)
        login = self.sessions.read(bearer(request))
        if login is None or login.is_cookie:
            login = self.sessions.read(request.cookies.get(COOKIE, ""))
        if login is None:
            raise Refused("not-authorized", "auth", "Sign in.")
        if login.account:
            credential = await self._credential(login.account)
            if credential is None or not hmac.compare_digest(self.sessions.proof_of(credential), login.proof):
                raise Refused("not-authorized", "auth", "The password has changed; sign in again.")
        return self._reply(request, login, 200)

    async def end(self, request: Request) -> Response:
        """Forget who was signed in here."""
        reply = Response(status_code=204, headers=_NO_STORE)
        reply.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict", secure=_is_secure(request))
        return reply

    def _reply(self, request: Request, login: Login, status: int) -> Response:
        given = self.sessions.pass_of(login)
        # How long, not until when: browsers' clocks are what they are.
        lifetime_ms = self.sessions.rest_ms(given)
        content = {"pass": self.sessions.sign(given), "lifetime_ms": lifetime_ms, "account": given.account}
        reply = Response(msgspec.json.encode(content), status, _NO_STORE, "application/json")
        if status == 201:
            reply.set_cookie(
                COOKIE,
                self.sessions.sign(login),
                max_age=LOGIN_LIFETIME_MS // 1000,
                path=PATH,
                httponly=True,
                samesite="strict",
                secure=_is_secure(request),
            )
        return reply


def bearer(request: Request) -> str:
    """Return the bearer token of a request; empty for none."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _wrong() -> Refused:
    return Refused("not-authorized", "auth", "The name or the password is wrong.")


async def _read_proof(request: Request) -> Proof:
    """Read the body; raises Refused for anything but a small JSON object of this form."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused("bad-request", "modify", "The body must be JSON (Content-Type: application/json).")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise Refused("bad-request", "modify", f"The body is larger than {BODY_BYTES_MAX} bytes.")
    try:
        return msgspec.json.decode(bytes(body), type=Proof)
    except msgspec.DecodeError as error:
        raise Refused("bad-request", "modify", f"The body is not what is asked for: {error}") from error
