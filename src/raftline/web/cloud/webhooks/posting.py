"""One try to deliver one event: written, signed, POSTed; what came of it is a value, whatever went wrong."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from raftline.machine.media.queries import UploadOf
from raftline.web.cloud.webhooks.client import NoAnswer, Unreachable
from raftline.web.cloud.webhooks.files import tokens_of
from raftline.web.cloud.webhooks.lanes import key_of
from raftline.web.cloud.webhooks.rendering import Service, render
from raftline.web.cloud.webhooks.signature import SIGNATURE_HEADER, sign

if TYPE_CHECKING:
    from raftline.machine.business.values import EventView
    from raftline.machine.media.values import UploadView
    from raftline.machine.queries import Answer, Query
    from raftline.web.cloud.webhooks.directory import Receiver

_LOG: Final = logging.getLogger(__name__)

Post = Callable[[str, dict[str, str], bytes], Awaitable[int]]
"""POSTs a body with headers to an address and returns the status; see client.WebhookClient.post."""


class Attempt(NamedTuple):
    """
    What came of a try.

    Attributes:
        failure: Why the event was not taken, for people; empty when it was.
        is_reached: Whether a connection to the receiver came about; None where none was tried.
    """

    failure: str = ""
    is_reached: bool | None = True


class Means(Protocol):
    """What a try needs of the node."""

    @property
    def ask(self) -> Callable[[Query], Answer]:
        """Answers from the local replica, at once."""

    @property
    def post(self) -> Post:
        """See `Post`."""

    @property
    def service(self) -> Service:
        """What is the same for all events."""


async def post_event(means: Means, view: EventView, receiver: Receiver) -> Attempt:
    """POST an event."""
    try:
        body = _write(means, view, receiver)
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: sign(receiver.secret, body)}
        status = await means.post(receiver.url, headers, body)
    except Unreachable as error:
        return Attempt(f"it cannot be reached: {error}", is_reached=False)
    except NoAnswer as error:
        return Attempt(f"it does not answer: {error}")
    except Exception:  # noqa: BLE001  one event that cannot be written must not end the node
        _LOG.exception("event %s cannot be delivered", key_of(view))
        return Attempt("the server failed on the event", is_reached=None)
    return Attempt("" if 200 <= status < 300 else f"it answers with HTTP status {status}")


def _write(means: Means, view: EventView, receiver: Receiver) -> bytes:
    uploads: dict[bytes, UploadView] = {}
    for token in tokens_of(view.stanza):
        upload = cast("UploadView | None", means.ask(UploadOf(token)))
        if upload is not None:
            uploads[token] = upload
    return render(view, receiver.number, means.service, uploads)
