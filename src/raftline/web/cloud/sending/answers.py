"""What a program gets for a message that was sent."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from raftline.machine.business.ids import wamid
from raftline.machine.business.values import Sent
from raftline.web.cloud.call import Call
from raftline.web.cloud.errors import graph_reply
from raftline.web.cloud.sending.requests import MessageRequest

PRODUCT: Final = "whatsapp"


def sent_reply(call: Call, request: MessageRequest, contact: dict[str, str], sent: Sent) -> Response:
    """Return the answer to a message that was sent."""
    message: dict[str, Any] = {"id": wamid(call.node.epochs, sent.position)}
    if request.template is not None:
        message["message_status"] = "accepted"
    return graph_reply({"messaging_product": PRODUCT, "contacts": [contact], "messages": [message]})
