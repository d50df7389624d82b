"""What is known under an address of uploads: `/upload/TOKEN/NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from raftline.base.errors import Unavailable
from raftline.machine.media.queries import UploadOf
from raftline.machine.media.values import UploadView
from raftline.node.intake import Refusal
from raftline.xmpp.upload_addresses import UPLOAD_PATH, token_of

if TYPE_CHECKING:
    from raftline.node.door import Node


class Disconnected(Exception):
    """The client is gone: there is nobody to answer."""


class Address(NamedTuple):
    """Token and name, both as they were given out."""

    token: bytes
    name: str


def address_of(path: str) -> Address:
    """
    Read a path, which is percent-decoded already.

    Raises:
        Refusal: It is none of ours.
    """
    digits, _, name = path.removeprefix(UPLOAD_PATH).partition("/")
    token = token_of(digits)
    if token is None or not name:
        raise Refusal(404, "item-not-found", "There is no such file.")
    return Address(token, name)


async def look_up(node: Node, address: Address) -> UploadView | None:
    """Return what this replica knows of an address; another name under the same token is another address."""
    answer = await node.ask(UploadOf(address.token))
    assert answer is None or isinstance(answer, UploadView)
    return answer if answer is not None and answer.name == address.name else None


async def pass_barrier(node: Node) -> None:
    """
    Wait until this replica knows all that was committed.

    Raises:
        Refusal: Nobody can tell now.
    """
    try:
        await node.barrier()
    except Unavailable as error:
        raise Refusal(503, "service-unavailable", f"The cluster cannot tell now ({error}); try again.") from error
