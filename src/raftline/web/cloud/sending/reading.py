"""
What a program says of messages that came: read, and that an answer is being written.

Read is a displayed marker (XEP-0333), a command like a message. Writing is a chat state (XEP-0085), which goes to the
sessions that are there now and enters no log; groups are not shown it.
"""

from __future__ import annotations

from typing import Final, cast

from starlette.responses import Response

from raftline.machine.business.commands import SendFromNumber
from raftline.machine.business.values import KnownMessage
from raftline.machine.message_commands import MessageKind, SendMessage
from raftline.machine.queries import Reachable, SessionRow
from raftline.web.cloud.call import Call
from raftline.web.cloud.errors import graph_reply, missing, wrong
from raftline.web.cloud.sending.composing import find_message, is_of_group, reference_to
from raftline.web.cloud.sending.groups import note_read_in_group
from raftline.web.cloud.sending.keys import draw_key, message_id_of, send_once
from raftline.web.cloud.sending.requests import MessageRequest
from raftline.xmpp.element import escape_attribute
from raftline.xmpp.messages import MARKER, SIGNAL, storage_of
from raftline.xmpp.stanza import parse_stanza

READ: Final = "read"
_STORAGE: Final = storage_of(MessageKind.CHAT, SIGNAL | MARKER) or 0


async def note_read(call: Call, request: MessageRequest) -> Response:
    """
    Tell the author of a message that it was read, and if so asked that an answer is being written.

    Raises:
        GraphError: 131008 and 131009 for a status that is none, and for a message that is none of others'.
    """
    if request.status != READ:
        raise wrong("status", f"is not {READ}")
    if request.message_id is None:
        raise missing("message_id")
    if request.typing_indicator is not None and request.typing_indicator.type != "text":
        raise wrong("typing_indicator.type", "is not text")
    known = await find_message(call, request.message_id, "message_id")
    if known.is_own:
        raise wrong("message_id", "names a message that the number itself has sent")
    if is_of_group(call, known):
        await note_read_in_group(call, known)
        return graph_reply({"success": True})
    await _mark_read(call, known)
    if request.typing_indicator is not None:
        await _show_typing(call, known.peer)
    return graph_reply({"success": True})


async def _mark_read(call: Call, known: KnownMessage) -> None:
    number = call.number.number.localpart
    key = draw_key(call)
    named = escape_attribute(reference_to(call, known, parse_stanza(known.stanza)))
    head = _head(call, known.peer, f" id='{message_id_of(key)}'")
    stanza = f"{head}<displayed xmlns='urn:xmpp:chat-markers:0' id='{named}'/></message>"
    message = SendMessage(
        to_localpart=known.peer.partition("@")[0],
        to_resource=None,
        kind=MessageKind.CHAT,
        storage=_STORAGE,
        stanza=stanza.encode(),
        origin_id="",
        fingerprint=b"",
        marked=known.position,
    )
    await send_once(call, key, SendFromNumber(number, message, ""))


async def _show_typing(call: Call, peer: str) -> None:
    number = f"{call.number.number.localpart}@{call.node.domain}"
    question = Reachable(peer.partition("@")[0], None, number)
    sessions = cast("list[SessionRow] | None", await call.node.ask(question))
    stanza = f"{_head(call, peer)}<composing xmlns='http://jabber.org/protocol/chatstates'/></message>".encode()
    for session in sessions or ():
        if session.priority is not None and session.priority >= 0:
            call.node.route(session.session_id, stanza)


def _head(call: Call, peer: str, attributes: str = "") -> str:
    sender = escape_attribute(f"{call.number.number.localpart}@{call.node.domain}")
    return f"<message from='{sender}' to='{escape_attribute(peer)}' type='chat'{attributes}>"
