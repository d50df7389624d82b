"""The command that logs in, and its parts."""

from __future__ import annotations

from typing import Annotated

import msgspec

from raftline.base.ids import NodeId, SessionId
from raftline.base.limits import RESUMPTION_TIMEOUT_S_MAX
from raftline.machine.tables import NATURAL


class TokenUse(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    The token that the client proved to have (XEP-0484 sections 3.4 to 3.6).

    Attributes:
        client: Names the client installation.
        verifier: Names the token among those of the client.
        count: The client's replay counter; None if it keeps none.
        invalidate: The client logs out: its tokens are good for nothing from here on.
    """

    client: bytes
    verifier: bytes
    count: Annotated[int, NATURAL] | None = None
    invalidate: bool = False


class TokenIssue(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A token to be issued (XEP-0484 section 3.3); fields as in tables.LoginToken."""

    client: bytes
    mechanism: str
    verifier: bytes
    answer: bytes


class ResumptionAsked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A session to be taken over (XEP-0198 section 9.2); fields as in commands.ResumeSession."""

    session_id: Annotated[SessionId, NATURAL]
    token: bytes


class BindAsked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    A session to be bound, unless one was resumed (XEP-0386 section 3.2).

    Attributes:
        client: Part of the resource after its last `/`, or all of it, where it stands for the client installation:
            sessions of the account with the same end. Empty for none.
        carbons: Copies of messages are on from the start (XEP-0280).
        managed: Stream management is on from the start (XEP-0198).
        token, timeout_s: As in commands.EnableManagement.
    """

    resource: str
    client: str = ""
    carbons: bool = False
    managed: bool = False
    token: bytes = b""
    timeout_s: Annotated[int, msgspec.Meta(ge=0, le=RESUMPTION_TIMEOUT_S_MAX)] = 0


class LogIn(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=70):
    """
    All that follows from a client's authentication, at once: all of it, or nothing. Machine version 3.

    Outcome: `Done(LoggedIn)`; refused with a condition of SASL (RFC 6120 section 6.5): `not-authorized` when the
    account or the token is gone or the counter was seen, `credentials-expired` when the token is too old,
    `malformed-request` when the resource cannot be one, `temporary-auth-failure` when there are too many sessions.
    """

    localpart: str
    node_id: Annotated[NodeId, NATURAL] = NodeId(0)
    incarnation: Annotated[int, NATURAL] = 0
    use: TokenUse | None = None
    issue: TokenIssue | None = None
    resume: ResumptionAsked | None = None
    bind: BindAsked | None = None
