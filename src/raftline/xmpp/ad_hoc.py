"""
How an ad-hoc command goes, whoever offers it (XEP-0050): the server (xeps/xep_0050_commands.py), or a room.

    nothing known --execute--> has a form?  no  --> done, result at once
                                  |
                                 yes --> session with an id, form is shown --execute, next, complete--> done
                                                                           --cancel-------------------> gone

A command has one form at most, so there is no way back (`prev`). Its sessions belong to the stream that began them and
end with it: nothing of them is replicated, as nothing has happened yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.limits import COMMAND_SESSION_COUNT_MAX
from raftline.xmpp.capabilities import ITEMS_NAMESPACE, info_element
from raftline.xmpp.element import Element
from raftline.xmpp.module import CommandResult
from raftline.xmpp.payloads import FORM_NAMESPACE, parse_form
from raftline.xmpp.stanza import LANG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Command, StreamContext
    from raftline.xmpp.stanza import Stanza

COMMANDS_NAMESPACE: Final = "http://jabber.org/protocol/commands"

_FORWARD: Final = frozenset({"", "execute", "next", "complete"})


def list_element() -> Element:
    """Describe the list of commands (section 2.2)."""
    return info_element("automation", "command-list", "Commands", (COMMANDS_NAMESPACE,))


def describe_command(command: Command) -> Element:
    """Describe one of them."""
    return info_element("automation", "command-node", command.name, (COMMANDS_NAMESPACE, FORM_NAMESPACE))


def list_commands(context: StreamContext, commands: Mapping[str, Command], jid: str) -> Element:
    """List those commands of `jid` that the user may execute (section 2.2)."""
    items: list[Element | str] = [
        Element("item", ITEMS_NAMESPACE, {"jid": jid, "node": command.node, "name": command.name})
        for command in commands.values()
        if command.is_allowed(context)
    ]
    return Element("query", ITEMS_NAMESPACE, {"node": COMMANDS_NAMESPACE}, items)


def run_command(context: StreamContext, stanza: Stanza, commands: Mapping[str, Command]) -> Steps:
    """
    Begin one of these commands, by node, go on with it, or let it be (section 2.4).

    Returns: The payload of the result.

    Raises:
        Refused: `item-not-found` for a command that there is not, `forbidden` for one that is not the user's, and
            `bad-request` with the conditions of section 4.4; what the command itself refuses.
    """
    request = stanza.element.child("command", COMMANDS_NAMESPACE)
    assert request is not None, "dispatch found the payload by this name"
    command = find_command(context, commands, request.get("node") or "")
    action = request.get("action") or ""
    if action not in {*_FORWARD, "cancel", "prev"}:
        raise _bad("malformed-action", "There is no such action.")
    session_id = request.get("sessionid")
    if session_id is None:
        return (yield from _begin(context, command, action))
    if context.command_sessions.get(session_id) != command.node:
        raise _bad("bad-sessionid", "There is no such session, or it is over.")
    if action == "prev":
        raise _bad("bad-action", "There is no earlier stage.")
    if action == "cancel":
        del context.command_sessions[session_id]
        return _answer(command, session_id, "canceled")
    fields = _submitted(command, request)
    result: CommandResult = yield from command.run(context, fields)
    context.command_sessions.pop(session_id, None)
    return _completed(command, session_id, result)


def _begin(context: StreamContext, command: Command, action: str) -> Steps:
    if action not in {"", "execute"}:
        raise _bad("bad-action", "This command has not been begun.")
    session_id = context.new_id()
    if command.form is None:
        result: CommandResult = yield from command.run(context, {})
        return _completed(command, session_id, result)
    sessions = context.command_sessions
    while len(sessions) >= COMMAND_SESSION_COUNT_MAX:
        del sessions[next(iter(sessions))]  # the oldest; whoever goes on with it is told that it is over
    sessions[session_id] = command.node
    actions = Element("actions", COMMANDS_NAMESPACE, {"execute": "complete"}, [Element("complete", COMMANDS_NAMESPACE)])
    return _answer(command, session_id, "executing", actions, command.form)


def find_command(context: StreamContext, commands: Mapping[str, Command], node: str) -> Command:
    """
    Return the command of a node.

    Raises:
        Refused: `item-not-found` when there is none, `forbidden` for one that is not the user's to execute.
    """
    command = commands.get(node)
    if command is None:
        raise Refused("item-not-found", "cancel", "There is no such command.")
    if not command.is_allowed(context):
        raise Refused("forbidden", "auth", "This command is not yours to execute.")
    return command


def _submitted(command: Command, request: Element) -> dict[str, list[str]]:
    """Read the form that came with a request; `cancel` counts as `submit` (section 3.5.1)."""
    submitted = request.child("x", FORM_NAMESPACE)
    if submitted is not None and submitted.get("type") == "cancel":
        submitted.attributes["type"] = "submit"
    try:
        fields = parse_form(request, command.form_type)
    except Refused as refused:
        raise _bad("bad-payload", str(refused)) from refused
    if fields is None:
        raise _bad("bad-payload", "The form is missing.")
    return fields


def _completed(command: Command, session_id: str, result: CommandResult) -> Element:
    """Make the last answer; whoever fails in part is told so by a note (section 3.6)."""
    notes = [Element("note", COMMANDS_NAMESPACE, {"type": "error"}, [text]) for text in result.failures]
    payload = [] if result.form is None else [result.form]
    return _answer(command, session_id, "completed", *payload, *notes)


def _answer(command: Command, session_id: str, status: str, *children: Element) -> Element:
    attributes = {"node": command.node, "sessionid": session_id, "status": status, LANG: "en"}
    return Element("command", COMMANDS_NAMESPACE, attributes, list(children))


def _bad(condition: str, text: str) -> Refused:
    return Refused("bad-request", "modify", text, f"{{{COMMANDS_NAMESPACE}}}{condition}")
