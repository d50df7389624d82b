"""
What a protocol handler asks of the world, as values.

Handlers are generators: they yield an effect and are sent its answer, so they read as if they blocked while nothing
in this package does any I/O. Whoever runs the stream (gateway/session.py; a playbook in tests) carries them out in
order, one stanza of a stream at a time (RFC 6120 section 10.1).

`Submit` does not wait: messages of one stream are pipelined. Every other effect of a bound stream first waits until
the stream's earlier submissions have had their outcome, so that nothing overtakes.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from raftline.base.ids import SessionId
from raftline.machine.commands import Action, Credential
from raftline.machine.login import commands as login
from raftline.machine.outcomes import Outcome
from raftline.machine.queries import Query
from raftline.xmpp.element import Element


@dataclass(frozen=True, slots=True)
class Submit:
    """
    Propose the command this stanza caused and go on with the next stanza. Answer: None, at once.

    A Rejected outcome becomes the stanza's error reply; Done and Repeated say nothing.
    """

    action: Action


@dataclass(frozen=True, slots=True)
class Propose:
    """Propose the command this stanza caused and wait. Answer: `Outcome`."""

    action: Action


@dataclass(frozen=True, slots=True)
class Execute:
    """
    Propose a command of no session, at most once, and wait. Answer: `Outcome`.

    For what happens before a session is bound, such as registration.
    """

    action: Action


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the local replica. Answer: that of the query."""

    query: Query


@dataclass(frozen=True, slots=True)
class Barrier:
    """Wait until the local replica has all that was committed before now. Answer: None."""


@dataclass(frozen=True, slots=True)
class AwaitReplicas:
    """
    Wait until every node that holds sessions of an account has what this one has applied. Answer: None.

    A node that is silent for a second is waited for no longer.
    """

    localpart: str


@dataclass(frozen=True, slots=True)
class Route:
    """Send a stanza off the log to a session. Answer: `bool`, False when there is no such session."""

    session_id: SessionId
    stanza: bytes


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Bind a resource. Answer: `Bound`. A refusal is thrown into the handler as `Refused`."""

    localpart: str
    resource: str


@dataclass(frozen=True, slots=True)
class EnableManagement:
    """Turn stream management on, as machine.commands.EnableManagement says. Answer: None, once applied."""

    inbound_base: int = 0
    token: bytes = b""
    timeout_s: int = 0


@dataclass(frozen=True, slots=True)
class ResumeSession:
    """Take a session over. Answer: `Resumed` or `Gone`. A refusal is thrown into the handler as `Refused`."""

    localpart: str
    session_id: SessionId
    token: bytes


@dataclass(frozen=True, slots=True)
class LogIn:
    """
    Do at once what follows from authentication. Answer: `LoggedIn`.

    A refusal is thrown into the handler as `Refused`, with a condition of SASL.
    """

    action: login.LogIn


@dataclass(frozen=True, slots=True)
class ConnectComponent:
    """
    Hold a component's connection (XEP-0114). Answer: `Bound`.

    A refusal is thrown into the handler as `Refused`, with a condition of stream errors.
    """

    label: str


@dataclass(frozen=True, slots=True)
class DeriveCredentials:
    """
    Make what is kept of a password, off the loop: it costs milliseconds. Answer: `tuple[Credential, ...]`.

    A password that cannot be one is refused with `not-acceptable`.
    """

    password: str


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Compare a password with a credential, off the loop: it costs milliseconds. Answer: `bool`."""

    password: str
    credential: Credential


@dataclass(frozen=True, slots=True)
class StartTls:
    """
    Begin the TLS handshake after what was sent so far.

    Answer, once the stream is secure: `Mapping[str, bytes]`, the data of each type of channel binding that it has.
    """


@dataclass(frozen=True, slots=True)
class Close:
    """
    End the stream: with a stream error of this condition, or in peace when it is empty. There is no answer.

    `detail` is an application's condition to send along.

    Source: RFC 6120 sections 4.4, 4.9.
    """

    condition: str = ""
    text: str = ""
    detail: Element | None = None


Effect = (
    Submit
    | Propose
    | Execute
    | Ask
    | Barrier
    | AwaitReplicas
    | Route
    | OpenSession
    | EnableManagement
    | ResumeSession
    | LogIn
    | ConnectComponent
    | DeriveCredentials
    | CheckPassword
    | StartTls
    | Close
)

T = TypeVar("T")

Steps = Generator[Effect, Any, Any]
"""A handler at work."""


def ask(query: Query, _answer_type: type[T]) -> Generator[Effect, Any, T]:
    """Yield the question and return its answer under its type."""
    return cast("T", (yield Ask(query)))


def propose(action: Action) -> Generator[Effect, Any, Outcome]:
    """Propose, wait, and return the outcome under its type."""
    return cast("Outcome", (yield Propose(action)))


def end(condition: str = "", text: str = "", detail: Element | None = None) -> Steps:
    """End the stream, as `Close` says."""
    yield Close(condition, text, detail)
