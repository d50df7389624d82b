"""
XEP-0050 Ad-Hoc Commands: what users may have the server do, by forms that any client can show.

The commands themselves are declared by other modules (`Modules.commands`); how they go is in ../ad_hoc.py, which rooms
use for theirs as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp import ad_hoc
from raftline.xmpp.ad_hoc import COMMANDS_NAMESPACE, describe_command, find_command, list_element, run_command
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.element import Element
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza


def register(modules: Modules) -> None:
    """Handle commands to the server, and discovery of them."""
    modules.declare(
        Declaration(number=50, title="Ad-Hoc Commands", version="1.3.0", features=(COMMANDS_NAMESPACE,)),
    )
    modules.on_iq("server", "set", COMMANDS_NAMESPACE, "command", handle_command)
    modules.info_nodes.append(describe_node)
    modules.item_nodes.append(list_commands)


def describe_node(context: StreamContext, node: str) -> Element | None:
    """
    Answer service discovery for the list of commands, and for each of them (section 2.2); None for other nodes.

    Raises:
        Refused: `forbidden` for a command that is not the user's to execute.
    """
    if node == COMMANDS_NAMESPACE:
        return list_element()
    if node not in context.modules.commands:
        return None
    return describe_command(find_command(context, context.modules.commands, node))


def list_commands(context: StreamContext, node: str) -> list[Element] | None:
    """List the commands that the user may execute (section 2.2); None for other nodes."""
    if node in context.modules.commands:
        return []
    if node != COMMANDS_NAMESPACE:
        return None
    return list(ad_hoc.list_commands(context, context.modules.commands, context.domain).elements())


def handle_command(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Begin a command of the server, go on with it, or let it be (section 2.4).

    Raises:
        Refused: As `ad_hoc.run_command`.
    """
    return (yield from run_command(context, stanza, context.modules.commands))
