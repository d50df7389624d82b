"""Where clients are told that nodes are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.cluster.driver import Driver
from raftline.machine.commands import Command, encode_command
from raftline.machine.database import open_database
from raftline.machine.entry import encode_entry
from raftline.machine.machine import Machine
from raftline.machine.node_commands import RaiseVersion, StartNode
from raftline.machine.versions import NODE_PROFILES_SINCE
from raftline.raft.membership import Member
from raftline.server.addresses import Addresses
from raftline.server.config_file import build_settings
from server.settings_values import raw_settings


class Replica:
    """
    What these addresses ask of a driver: a state machine, which the nodes tell of themselves, and who is a member.

    Attributes:
        members: Ids of members.
    """

    def __init__(self) -> None:
        self.members = [1, 2, 3]
        self.machine = Machine(open_database(":memory:"), domain="example.org")
        self._tell(RaiseVersion(NODE_PROFILES_SINCE))

    @property
    def raft(self) -> Any:
        """The core, as far as it tells who is a member."""
        members = tuple(Member(NodeId(node_id)) for node_id in self.members)
        return SimpleNamespace(membership=SimpleNamespace(members=members))

    def start(self, node_id: int, http_url: str, xmpp_address: str) -> None:
        """A node begins a life, and says where it is."""
        self._tell(StartNode(NodeId(node_id), self.machine.applied_index + 1, b"data", http_url, xmpp_address))

    def _tell(self, action: Any) -> None:
        index = LogIndex(self.machine.applied_index + 1)
        command = encode_command(Command(NodeId(1), 1, index, b"s" * 16, None, action))
        self.machine.apply(index, Term(1), encode_entry(index, [command]))


@pytest.fixture
def replica() -> Replica:
    return Replica()


def addresses_of(replica: Replica, folder: Path, *, own: int = 2, xmpp: bool = True) -> Addresses:
    """As node `own` of three knows them, all with other addresses in its settings."""
    raw = raw_settings(3)
    raw["cluster"]["node_id"] = own
    for peer in raw["cluster"]["peers"]:
        peer["xmpp_address"] = f"configured-{peer['node_id']}:5222" if xmpp else ""
    return Addresses(cast("Driver", replica), build_settings(raw, folder, {}))


def test_settings_count_until_nodes_have_told(replica: Replica, tmp_path: Path) -> None:
    """This node first, then those that follow it by number, round to those before."""
    addresses = addresses_of(replica, tmp_path)
    assert addresses.websockets() == tuple(f"wss://n{node_id}.example.org:5443/xmpp-websocket" for node_id in (2, 3, 1))
    assert addresses.resumption_location() == "configured-3:5222"


def test_who_has_not_told_yet_is_where_the_settings_say(replica: Replica, tmp_path: Path) -> None:
    """Node after node, as a cluster starts."""
    addresses = addresses_of(replica, tmp_path)
    replica.start(1, "https://one:5443", "one:5222")
    assert addresses.websockets() == (
        "wss://n2.example.org:5443/xmpp-websocket",
        "wss://n3.example.org:5443/xmpp-websocket",
        "wss://one:5443/xmpp-websocket",
    )
    assert addresses.resumption_location() == "configured-3:5222"
    replica.start(3, "https://three:5443", "three:5222")
    assert addresses.resumption_location() == "three:5222"


def test_what_nodes_tell_takes_their_place(replica: Replica, tmp_path: Path) -> None:
    """At once, without a restart; a node that is no member any more is in the settings still."""
    addresses = addresses_of(replica, tmp_path)
    replica.members = [2, 7]
    replica.start(2, "https://two:5443", "two:5222")
    assert addresses.websockets() == ("wss://two:5443/xmpp-websocket",)
    assert addresses.resumption_location() == ""
    replica.start(1, "http://one:5443", "one:5222")
    replica.start(7, "https://seven:5443", "seven:5222")
    assert addresses.websockets() == (
        "wss://two:5443/xmpp-websocket",
        "wss://seven:5443/xmpp-websocket",
        "ws://one:5443/xmpp-websocket",
    )
    assert addresses.resumption_location() == "seven:5222"
    replica.start(7, "https://moved:5443", "moved:5222")
    assert addresses.resumption_location() == "moved:5222"


def test_a_node_may_have_no_address(replica: Replica, tmp_path: Path) -> None:
    """It is passed over, and where nobody else has one clients are told none."""
    addresses = addresses_of(replica, tmp_path)
    replica.start(1, "", "one:5222")
    replica.start(2, "https://two:5443", "two:5222")
    replica.start(3, "https://three:5443", "")
    assert addresses.http_urls_by_node() == [(2, "https://two:5443"), (3, "https://three:5443")]
    assert addresses.websockets() == ("wss://two:5443/xmpp-websocket", "wss://three:5443/xmpp-websocket")
    assert addresses.resumption_location() == "one:5222"
    replica.start(1, "", "")
    assert addresses.resumption_location() == ""
    assert addresses_of(Replica(), tmp_path, xmpp=False).resumption_location() == ""


@pytest.mark.parametrize(("own", "other"), [(1, "configured-2:5222"), (3, "configured-1:5222")])
def test_clients_are_spread(replica: Replica, tmp_path: Path, own: int, other: str) -> None:
    """Those of each node are sent to another one."""
    assert addresses_of(replica, tmp_path, own=own).resumption_location() == other
