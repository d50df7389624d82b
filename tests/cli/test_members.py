"""`raftline cluster add`, `replace`, `remove` and `drain` against real HTTP servers."""

from __future__ import annotations

import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from cli.serving import raftline, serve
from raftline.base.errors import Busy, OutcomeUnknown, Refused, Unavailable
from raftline.cli import members
from raftline.server.cluster_file import read_cluster_file, write_cluster_file
from raftline.server.config_file import load_settings
from raftline.server.development_layout import lay_out, settings_file, settle_parameters
from raftline.server.failures import ExitCode, Failure
from web.application import TOKEN
from web.memberships import INVITATION, INVITED, MEMBER, MembershipApplication


def status_of(roles: dict[int, str], *, stored: int = 90) -> dict[str, Any]:
    """The state of a cluster, as far as these commands look at it."""
    nodes = [{"id": node_id, "role": role, "match_index": stored} for node_id, role in roles.items()]
    return {"leader": 1, "term": 7, "commit_index": 90, "nodes": nodes}


THREE = {1: "leader", 2: "follower", 3: "follower"}


@pytest.fixture
def application(tmp_path: Path) -> MembershipApplication:
    """A node of three; the one that is invited votes from the beginning, and whoever goes is gone."""
    static = tmp_path / "static"
    static.mkdir()
    application = MembershipApplication(static)
    application.status = status_of({1: "leader", INVITED: "follower"})
    return application


@pytest_asyncio.fixture
async def data(application: MembershipApplication, tmp_path: Path) -> AsyncIterator[Path]:
    """The directory of a development cluster whose first node runs."""
    directory = tmp_path / "cluster"
    parameters = settle_parameters(directory, 3, None, None)
    content = lay_out(directory, parameters, open_registration=True, allow_plaintext=True).content
    async with serve(application.app) as port:
        first, *others = content.nodes
        nodes = (replace(first, http=port), *others)
        write_cluster_file(directory, replace(content, admin_token=TOKEN, nodes=nodes))
        yield directory


def known_nodes(directory: Path) -> list[int]:
    return [node.id for node in read_cluster_file(directory).nodes]


class TestAdd:
    """A new node."""

    async def test_what_its_machine_needs_is_printed(
        self, application: MembershipApplication, server: tuple[str, ...]
    ) -> None:
        """Settings that can be copied as they stand, the members to ask, and the token; then it is waited for."""
        ended = await raftline("cluster", "add", *server)
        assert (ended.code, ended.err) == (0, "")
        head, _, rest = ended.out.partition("\n\n")
        assert f"Node {INVITED} is invited." in head
        assert f"a peer certificate for the name {INVITED}" in head
        text, _, last = rest.partition("Token: ")
        settings = tomllib.loads(text)["cluster"]
        assert settings.pop("peers") == [
            {
                "node_id": 1,
                "host": MEMBER.host,
                "port": 5269,
                "fingerprint": MEMBER.fingerprint,
                "http_url": MEMBER.http_url,
                "xmpp_address": MEMBER.xmpp_address,
            }
        ]
        assert settings == {"id": "a cluster", "epoch": 3, "node_id": INVITED, "join_token_file": "join.token"}
        assert last.splitlines() == [INVITATION.token, f"Node {INVITED} votes."]
        assert application.invitations == [(None, 3_600_000)]

    async def test_it_is_waited_for_until_it_votes(
        self, application: MembershipApplication, server: tuple[str, ...]
    ) -> None:
        """What is missing is told when it changes; a cluster that cannot answer for a moment ends no wait."""
        application.statuses = [
            status_of(THREE),
            Busy("no quorum"),
            status_of(THREE),
            status_of({**THREE, INVITED: "learner"}, stored=5),
            status_of({**THREE, INVITED: "learner"}, stored=80),
            status_of({**THREE, INVITED: "follower"}),
        ]
        ended = await raftline("cluster", "add", *server)
        assert ended.code == 0
        waiting = [line for line in ended.out.splitlines() if line.startswith(("Waiting", "Node"))]
        assert waiting[1:] == [
            f"Waiting for node {INVITED} to vote",
            f"Waiting for node {INVITED} to vote; node {INVITED} stores 5 of 90 entries",
            f"Waiting for node {INVITED} to vote; node {INVITED} stores 80 of 90 entries",
            f"Node {INVITED} votes.",
        ]

    async def test_it_need_not_be_waited_for(self, application: MembershipApplication, server: tuple[str, ...]) -> None:
        """`--no-wait`: the invitation is all."""
        ended = await raftline("cluster", "add", "--no-wait", *server)
        assert ended.code == 0
        assert "votes" not in ended.out
        assert application.status_count == 0

    async def test_programs_get_json(self, application: MembershipApplication, server: tuple[str, ...]) -> None:
        """What the node said, unchanged, and nothing beside; programs do their own waiting."""
        ended = await raftline("cluster", "add", "--json", *server)
        assert (ended.code, ended.err) == (0, "")
        told = json.loads(ended.out)
        assert (told["node_id"], told["token"], told["members"][0]["port"]) == (INVITED, INVITATION.token, 5269)
        assert application.status_count == 0

    async def test_a_development_cluster_is_laid_out_for_it(
        self, application: MembershipApplication, data: Path
    ) -> None:
        """Settings, token and cluster.json are there when the command says how to start it."""
        ended = await raftline("cluster", "add", "--data", str(data))
        assert (ended.code, ended.err) == (0, "")
        assert f"Start it with: raftline node start {INVITED} --data {data}" in ended.out
        assert known_nodes(data) == [1, 2, 3, INVITED]
        settings = load_settings(settings_file(data, INVITED), {})
        assert settings.cluster.join_token_file is not None
        assert settings.cluster.join_token_file.read_text(encoding="utf-8") == f"{INVITATION.token}\n"


class TestReplace:
    """A new node in the place of another."""

    async def test_both_are_waited_for(self, application: MembershipApplication, data: Path) -> None:
        """The new one votes, then the old one goes, and is forgotten here."""
        application.statuses = [
            status_of({**THREE, INVITED: "follower"}),
            status_of({**THREE, INVITED: "follower"}),
            status_of({1: "leader", 3: "follower", INVITED: "follower"}),
        ]
        ended = await raftline("cluster", "replace", "2", "--data", str(data))
        assert (ended.code, ended.err) == (0, "")
        assert f"Node {INVITED} is invited in place of node 2." in ended.out
        said = [line for line in ended.out.splitlines() if not line.startswith(f"Node {INVITED} is invited")]
        assert said == [f"Node {INVITED} votes.", "Waiting for node 2 to go", "Node 2 is gone."]
        assert application.invitations == [(2, 3_600_000)]
        assert known_nodes(data) == [1, 3, INVITED]

    async def test_it_need_not_be_waited_for(self, application: MembershipApplication, data: Path) -> None:
        """The old one is a member until the new one has caught up, so it stays in cluster.json."""
        ended = await raftline("cluster", "replace", "2", "--no-wait", "--data", str(data))
        assert ended.code == 0
        assert known_nodes(data) == [1, 2, 3, INVITED]
        assert application.status_count == 0

    async def test_a_node_that_is_none(self, application: MembershipApplication, data: Path) -> None:
        """Exit code 1 in the cluster's words, and nothing is laid out."""
        application.failures = [Refused("item-not-found", "cancel", "There is no node 9.")]
        ended = await raftline("cluster", "replace", "9", "--data", str(data))
        assert (ended.code, ended.out) == (1, "")
        assert "There is no node 9." in ended.err
        assert known_nodes(data) == [1, 2, 3]


class TestRemove:
    """A member that goes."""

    async def test_it_is_waited_for_and_forgotten(self, application: MembershipApplication, data: Path) -> None:
        """Its files stay where they are."""
        application.statuses = [status_of(THREE), status_of({1: "leader", 2: "follower"})]
        ended = await raftline("cluster", "remove", "3", "--data", str(data))
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.splitlines() == ["Waiting for node 3 to go", "Node 3 is removed."]
        assert application.removed == [3]
        assert known_nodes(data) == [1, 2]
        assert settings_file(data, 3).exists()

    async def test_it_is_asked_again_while_another_change_is_under_way(
        self, application: MembershipApplication, server: tuple[str, ...]
    ) -> None:
        """Which takes moments; so does an election."""
        application.status = status_of({1: "leader"})
        application.failures = [Busy("another change is under way"), Unavailable("no leader is known")]
        ended = await raftline("cluster", "remove", "3", *server)
        assert (ended.code, ended.err) == (0, "")
        assert application.removed == [3]

    @pytest.mark.parametrize(
        ("node", "failure", "text"),
        [
            ("9", None, "There is no node 9."),
            ("3", Refused("not-acceptable", "cancel", "No voter would be left."), "No voter would be left."),
        ],
    )
    async def test_what_cannot_be_is_told(
        self, application: MembershipApplication, data: Path, node: str, failure: Refused | None, text: str
    ) -> None:
        """Exit code 1; the node is still known."""
        application.failures = [] if failure is None else [failure]
        ended = await raftline("cluster", "remove", node, "--data", str(data))
        assert (ended.code, ended.out) == (1, "")
        assert text in ended.err
        assert application.removed == []
        assert known_nodes(data) == [1, 2, 3]


class TestDrain:
    """A node that is to serve nobody for a while."""

    async def test_both_ways(self, application: MembershipApplication, server: tuple[str, ...]) -> None:
        """Each says what is so now."""
        drained = await raftline("cluster", "drain", "2", *server)
        assert (drained.code, drained.out) == (0, "Node 2 is drained: it serves no clients.\n")
        undone = await raftline("cluster", "drain", "2", "--undo", *server)
        assert (undone.code, undone.out) == (0, "Node 2 serves clients again.\n")
        assert application.drained == [(2, True), (2, False)]

    async def test_a_node_that_is_none_or_down(
        self, application: MembershipApplication, server: tuple[str, ...]
    ) -> None:
        """Exit code 1 for no node, 6 for one that cannot be reached: told at once, since waiting would not help."""
        ended = await raftline("cluster", "drain", "9", *server)
        assert ended.code == 1
        assert "There is no node 9." in ended.err
        application.failures = [Unavailable("node 2 cannot be reached")]
        ended = await raftline("cluster", "drain", "2", *server)
        assert ended.code == 6
        assert "node 2 cannot be reached" in ended.err
        assert application.drained == []


COMMANDS = [("add",), ("replace", "2"), ("remove", "2"), ("drain", "2")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_wrong_token_is_told_apart(
    application: MembershipApplication, server: tuple[str, ...], tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Exit code 2, and the option to look at."""
    wrong = tmp_path / "wrong"
    wrong.write_text("nonsense", encoding="utf-8")
    ended = await raftline("cluster", *command, *server[:-1], str(wrong))
    assert (ended.code, ended.out) == (2, "")
    assert "--token-file" in ended.err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_an_unknown_outcome_is_exit_code_7(
    application: MembershipApplication, server: tuple[str, ...], command: tuple[str, ...]
) -> None:
    """It is not asked again by itself: it may have happened."""
    application.failures = [OutcomeUnknown("no outcome")]
    ended = await raftline("cluster", *command, *server)
    assert (ended.code, ended.out) == (7, "")
    assert "not known" in ended.err
    assert not [*application.invitations, *application.removed, *application.drained]


@pytest.mark.parametrize("command", [("add",), ("replace",), ("remove",), ("drain",)], ids=" ".join)
async def test_help_shows_an_example(command: tuple[str, ...]) -> None:
    """Of this very command."""
    ended = await raftline("cluster", *command, "--help")
    assert ended.code == 0
    assert f"raftline cluster {command[0]}" in ended.out.partition("Example:")[2].partition("╭")[0]


@pytest.mark.parametrize("command", ["replace", "remove", "drain"])
@pytest.mark.parametrize("node", [(), ("two",)])
async def test_a_node_has_a_number(command: str, node: tuple[str, ...]) -> None:
    """Exit code 2 without one."""
    ended = await raftline("cluster", command, *node)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


def test_a_cluster_that_stays_busy_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its last reason; any other refusal is told at once."""
    monkeypatch.setattr(members, "BUSY_TIMEOUT_S", 0.0)
    failures = [Failure(ExitCode.UNAVAILABLE, "no majority answers"), Failure(ExitCode.REFUSED, "no")]

    def request() -> None:
        raise failures[0]

    for failure in failures:
        failures[0] = failure
        with pytest.raises(Failure) as caught:
            members._retry(request)
        assert caught.value is failure
