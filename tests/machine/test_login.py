"""Logging in by one command: tokens (XEP-0484), sessions that are bound or resumed at once (XEP-0386, XEP-0198)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine.world import World, credential
from raftline.base.ids import NodeId, SessionId
from raftline.base.limits import (
    ACCOUNT_SESSION_COUNT_MAX,
    LOGIN_TOKEN_AGE_MAX_MS,
    LOGIN_TOKEN_LIFETIME_MS,
    LOGIN_TOKEN_PART_SIZE_MAX,
    LOGIN_TOKEN_ROTATION_MS,
    RESOURCE_SIZE_MAX,
)
from raftline.machine.commands import DeleteAccount, KeyOrigin, SetCredentials
from raftline.machine.login import tokens
from raftline.machine.login.commands import BindAsked, LogIn, ResumptionAsked, TokenIssue, TokenUse
from raftline.machine.message_commands import Storage
from raftline.machine.node_commands import BuryNode, RaiseVersion
from raftline.machine.outcomes import (
    Bound,
    CarbonCopied,
    CommandResult,
    Done,
    Gone,
    LoggedIn,
    MessageArrived,
    Rejected,
    SessionEnded,
)
from raftline.machine.queries import KnownToken, LoginTokensOf
from raftline.machine.versions import FEATURES_SINCE

PHONE, LAPTOP = b"phone", b"laptop"
TOKEN = b"t" * 16


@pytest.fixture
def world(world: World) -> World:
    """One machine of the version that has logins, with the accounts alice, bob and carol."""
    world.do(RaiseVersion(FEATURES_SINCE))
    return world


def log_in(world: World, name: str = "alice", **parts: object) -> CommandResult:
    """Log in on node 1, in its first life."""
    return world.do(LogIn(name, NodeId(1), 1, **parts))  # type: ignore[arg-type]


def logged_in(result: CommandResult) -> LoggedIn:
    """Return what came of a login that was not refused."""
    assert isinstance(result.outcome, Done), result.outcome
    assert isinstance(result.outcome.result, LoggedIn)
    return result.outcome.result


def refusal(result: CommandResult) -> str:
    """Return the condition of a login that was refused."""
    assert isinstance(result.outcome, Rejected), result.outcome
    return result.outcome.condition


def issue(verifier: bytes, client: bytes = PHONE) -> TokenIssue:
    return TokenIssue(client, "HT-SHA-256-NONE", verifier, b"answer")


def known(world: World, client: bytes = PHONE, name: str = "alice") -> list[KnownToken]:
    found = world.machine.answer(LoginTokensOf(name, client))
    assert isinstance(found, list)
    return found  # type: ignore[return-value]


def verifiers(world: World, client: bytes = PHONE) -> list[bytes]:
    return [token.verifier for token in known(world, client)]


class TestTokens:
    """XEP-0484 sections 3.3 to 3.6 and 5.1."""

    def test_issued_and_used(self, world: World) -> None:
        """A token is known with all that was said of it, until its time is over; its use takes effect."""
        result = logged_in(log_in(world, issue=issue(b"1")))
        assert result == LoggedIn(None, None, None, world.time_ms + LOGIN_TOKEN_LIFETIME_MS)
        assert known(world) == [KnownToken("HT-SHA-256-NONE", b"1", b"answer", is_expired=False, is_due=False)]
        assert logged_in(log_in(world, use=TokenUse(PHONE, b"1"))) == LoggedIn()

    @pytest.mark.parametrize("use", [TokenUse(PHONE, b"2"), TokenUse(LAPTOP, b"1"), TokenUse(b"", b"1")])
    def test_unknown(self, world: World, use: TokenUse) -> None:
        """Another token, or that of another client installation, is none."""
        log_in(world, issue=issue(b"1"))
        assert refusal(log_in(world, use=use)) == "not-authorized"
        assert refusal(log_in(world, "bob", use=TokenUse(PHONE, b"1"))) == "not-authorized"
        assert refusal(log_in(world, "nobody", use=TokenUse(PHONE, b"1"))) == "not-authorized"

    def test_rotation(self, world: World) -> None:
        """The old token is good until the new one is used, and then no more (section 3.5)."""
        log_in(world, issue=issue(b"1"))
        log_in(world, use=TokenUse(PHONE, b"1"))
        log_in(world, use=TokenUse(PHONE, b"1"), issue=issue(b"2"))
        assert verifiers(world) == [b"2", b"1"]
        logged_in(log_in(world, use=TokenUse(PHONE, b"1")))
        logged_in(log_in(world, use=TokenUse(PHONE, b"2")))
        assert verifiers(world) == [b"2"]
        assert refusal(log_in(world, use=TokenUse(PHONE, b"1"))) == "not-authorized"

    def test_what_was_never_used_is_replaced(self, world: World) -> None:
        """A client that never got its new token is given another one; the one before is gone (section 3.5)."""
        log_in(world, issue=issue(b"1"))
        log_in(world, use=TokenUse(PHONE, b"1"))
        for verifier in (b"2", b"3"):
            log_in(world, issue=issue(verifier))
        assert verifiers(world) == [b"3", b"1"]

    def test_use_and_issue_at_once(self, world: World) -> None:
        """A token that is used for the first time and is replaced is the current one, the other the new one."""
        log_in(world, issue=issue(b"1"))
        logged_in(log_in(world, use=TokenUse(PHONE, b"1"), issue=issue(b"2")))
        assert verifiers(world) == [b"2", b"1"]

    def test_invalidated(self, world: World) -> None:
        """The client logs out: neither its token nor one that is on its way is good any more (section 3.6)."""
        log_in(world, issue=issue(b"1"))
        log_in(world, issue=issue(b"x", LAPTOP))
        log_in(world, use=TokenUse(PHONE, b"1"), issue=issue(b"2"))
        logged_in(log_in(world, use=TokenUse(PHONE, b"1", invalidate=True)))
        assert verifiers(world) == []
        assert verifiers(world, LAPTOP) == [b"x"]

    def test_invalidated_and_issued(self, world: World) -> None:
        """Who asks for a token while invalidating another gets it (section 3.6)."""
        log_in(world, issue=issue(b"1"))
        logged_in(log_in(world, use=TokenUse(PHONE, b"1", invalidate=True), issue=issue(b"2")))
        assert verifiers(world) == [b"2"]

    def test_counter(self, world: World) -> None:
        """A counter that was seen, or a lower one, is a replay; one that is not sent is not looked at (section 3.4)."""
        log_in(world, issue=issue(b"1"))
        for count in (0, 1, 7):
            logged_in(log_in(world, use=TokenUse(PHONE, b"1", count)))
            assert refusal(log_in(world, use=TokenUse(PHONE, b"1", count))) == "not-authorized"
        assert refusal(log_in(world, use=TokenUse(PHONE, b"1", 6))) == "not-authorized"
        logged_in(log_in(world, use=TokenUse(PHONE, b"1")))
        logged_in(log_in(world, use=TokenUse(PHONE, b"1", 8)))

    def test_counter_begins_anew(self, world: World) -> None:
        """With a new token the client counts from the start."""
        log_in(world, issue=issue(b"1"))
        log_in(world, use=TokenUse(PHONE, b"1", 5), issue=issue(b"2"))
        logged_in(log_in(world, use=TokenUse(PHONE, b"2", 0)))

    @pytest.mark.parametrize("excess", [-1, 0])
    def test_lifetime(self, world: World, excess: int) -> None:
        """Both sides of the time for which a token is good (section 4.2)."""
        log_in(world, issue=issue(b"1"))
        world.time_ms += LOGIN_TOKEN_LIFETIME_MS + excess
        result = log_in(world, use=TokenUse(PHONE, b"1"))
        assert (refusal(result) == "credentials-expired") if excess == 0 else logged_in(result)
        assert [token.is_expired for token in known(world)] == [excess == 0]

    @pytest.mark.parametrize("excess", [-1, 0])
    def test_rotation_time(self, world: World, excess: int) -> None:
        """Both sides of the time after which a token is due for another one."""
        log_in(world, issue=issue(b"1"))
        world.time_ms += LOGIN_TOKEN_ROTATION_MS + excess
        world.apply_empty()
        world.account("later")
        assert [token.is_due for token in known(world)] == [excess == 0]

    def test_forgotten_when_too_old(self, world: World) -> None:
        """What is long expired is deleted by the entries that come after, and not before."""
        log_in(world, issue=issue(b"1"))
        world.time_ms += LOGIN_TOKEN_AGE_MAX_MS
        world.account("x")
        assert world.count("login_token") == 1
        world.time_ms += 1
        world.account("y")
        assert world.count("login_token") == 0

    def test_password_change(self, world: World) -> None:
        """A new password makes the tokens of the account worthless, and of no other."""
        log_in(world, issue=issue(b"1"))
        log_in(world, issue=issue(b"2", LAPTOP))
        log_in(world, "bob", issue=issue(b"3"))
        world.do(SetCredentials("alice", (credential("new"),)))
        assert (verifiers(world), verifiers(world, LAPTOP)) == ([], [])
        assert refusal(log_in(world, use=TokenUse(PHONE, b"1"))) == "not-authorized"
        assert len(known(world, name="bob")) == 1

    def test_deleted_account(self, world: World) -> None:
        """Nothing is left, and a later account of the name does not get it back."""
        log_in(world, issue=issue(b"1"))
        world.do(DeleteAccount("alice"))
        assert world.count("login_token") == 0
        assert known(world) == []
        world.account("alice")
        assert refusal(log_in(world, use=TokenUse(PHONE, b"1"))) == "not-authorized"

    def test_clients_of_an_account(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond the limit the client whose last token is the oldest loses its tokens."""
        monkeypatch.setattr(tokens, "LOGIN_TOKEN_CLIENT_COUNT_MAX", 2)
        log_in(world, issue=issue(b"1"))
        log_in(world, issue=issue(b"2", LAPTOP))
        log_in(world, use=TokenUse(PHONE, b"1"), issue=issue(b"3"))
        assert (verifiers(world), verifiers(world, LAPTOP)) == ([b"3", b"1"], [b"2"])
        log_in(world, issue=issue(b"4", b"browser"))
        assert (verifiers(world), verifiers(world, LAPTOP), verifiers(world, b"browser")) == ([b"3", b"1"], [], [b"4"])

    @pytest.mark.parametrize("excess", [0, 1])
    @pytest.mark.parametrize("part", ["client", "mechanism", "verifier", "answer"])
    def test_sizes(self, world: World, part: str, excess: int) -> None:
        """Both sides of the size of what is kept."""
        size = LOGIN_TOKEN_PART_SIZE_MAX + excess
        parts: dict[str, object] = {"client": b"c", "mechanism": "m", "verifier": b"v", "answer": b"a"}
        parts[part] = "m" * size if part == "mechanism" else b"x" * size
        result = log_in(world, issue=TokenIssue(**parts))  # type: ignore[arg-type]
        assert (refusal(result) == "malformed-request") if excess else logged_in(result)
        assert world.count("login_token") == 1 - excess


class TestBinding:
    """XEP-0386 section 3.2."""

    def test_bound(self, world: World) -> None:
        """A session with what was asked for, and nothing else."""
        bound = logged_in(log_in(world, bind=BindAsked("a/1"))).bound
        assert bound == Bound(SessionId(1), 1)
        session = world.machine._context.sessions.get(bound.session_id)
        assert session is not None
        assert (session.resource, session.managed, session.carbons) == ("a/1", 0, 0)
        assert world.machine._context.resumptions.get(bound.session_id) is None

    def test_with_features(self, world: World) -> None:
        """Copies and stream management are on from the start: the first message is copied and owed."""
        bind = BindAsked("a/1", carbons=True, managed=True, token=TOKEN, timeout_s=60)
        bound = logged_in(log_in(world, bind=bind)).bound
        assert bound is not None
        row = world.machine._context.resumptions.get(bound.session_id)
        assert row is not None
        assert (row.token, row.inbound_base, row.timeout_ms) == (TOKEN, 0, 60_000)
        world.online("alice", "other")
        result = world.online("bob").send("alice", storage=int(Storage.ARCHIVE | Storage.OFFLINE | Storage.COPY))
        copies = [event for event in result.events if isinstance(event, CarbonCopied)]
        assert [copy.session_id for copy in copies] == [bound.session_id]
        assert len(world.machine._context.inboxes.of(bound.session_id)) == 1

    def test_earlier_sessions_of_the_client(self, world: World) -> None:
        """What the same client bound before ends, under whatever tag; what others bound does not."""
        others = [world.bind("alice", resource) for resource in ("one", "app/other", "one/x")]
        bob = world.bind("bob", "app/one")
        former = world.bind("alice", "app/one")
        result = log_in(world, bind=BindAsked("newer/one", client="one"))
        ended = [event.session_id for event in result.events if isinstance(event, SessionEnded)]
        assert ended == [others[0].session_id, former.session_id]
        assert world.machine._context.sessions.get(bob.session_id) is not None

    def test_unknown_clients_end_nothing(self, world: World) -> None:
        """Without a client there is no earlier session of it."""
        world.bind("alice", "x/")
        assert not [event for event in log_in(world, bind=BindAsked("y/")).events if isinstance(event, SessionEnded)]

    def test_offline_messages(self, world: World) -> None:
        """Those that the archive has are cleared; the others come with the first presence."""
        bob = world.online("bob")
        bob.send("alice", "archived")
        bob.send("alice", "kept", storage=int(Storage.OFFLINE))
        result = log_in(world, bind=BindAsked("a/1"))
        assert not result.events
        assert world.count("offline") == 1
        assert world.count("archive") == 2
        alice = world.online("alice", "later", priority=None)
        arrived = [event for event in alice.present().events if isinstance(event, MessageArrived)]
        assert [b"kept" in event.stanza for event in arrived] == [True]

    def test_what_the_former_session_owed(self, world: World) -> None:
        """What a former session of the client had not acknowledged is cleared only where the archive has it."""
        former = world.online("alice", "a/1", managed=True)
        bob = world.online("bob")
        bob.send("alice", "archived")
        bob.send("alice", "kept", storage=int(Storage.OFFLINE))
        log_in(world, bind=BindAsked("a/1", client="1"))
        assert former.session_id == 1
        assert world.count("offline") == 1
        assert world.count("message") == 2

    @pytest.mark.parametrize("excess", [0, 1])
    def test_resource(self, world: World, excess: int) -> None:
        """Both sides of the greatest resource; none is refused as well, and ends nobody."""
        world.bind("alice", "a/1")
        result = log_in(world, bind=BindAsked("x" * (RESOURCE_SIZE_MAX + excess), client="1"), issue=issue(b"1"))
        assert (refusal(result) == "malformed-request") if excess else logged_in(result)
        assert bool(result.events) is not bool(excess)
        assert len(known(world)) == 1 - excess
        assert refusal(log_in(world, bind=BindAsked(""))) == "malformed-request"

    def test_resumption_token(self, world: World) -> None:
        """One of another size was drawn by no node of ours."""
        assert refusal(log_in(world, bind=BindAsked("a", managed=True, token=b"short"))) == "malformed-request"

    def test_too_many_sessions(self, world: World) -> None:
        """It is refused, and then a token was neither used nor issued."""
        log_in(world, issue=issue(b"1"))
        for number in range(ACCOUNT_SESSION_COUNT_MAX):
            world.bind("alice", f"r{number}")
        use = TokenUse(PHONE, b"1", count=3)
        result = log_in(world, bind=BindAsked("more"), use=use, issue=issue(b"2"))
        assert refusal(result) == "temporary-auth-failure"
        assert verifiers(world) == [b"1"]
        logged_in(log_in(world, use=use))

    def test_a_client_makes_room_for_itself(self, world: World) -> None:
        """An account with all the sessions it may have can log in where it has logged in before."""
        for number in range(ACCOUNT_SESSION_COUNT_MAX):
            world.bind("alice", f"app/{number}")
        logged_in(log_in(world, bind=BindAsked("newer/7", client="7")))

    def test_refused_token_binds_nothing(self, world: World) -> None:
        """Who is not let in leaves no session."""
        assert refusal(log_in(world, use=TokenUse(PHONE, b"1"), bind=BindAsked("a"))) == "not-authorized"
        assert world.count("session") == 0

    def test_life_that_is_over(self, world: World) -> None:
        """A node that was declared dead takes no hold; its next life asks again (promise P2)."""
        world.do(BuryNode(NodeId(1), 1))
        log_in(world, issue=issue(b"1"))
        assert type(log_in(world, bind=BindAsked("a"), use=TokenUse(PHONE, b"1", 1)).outcome).__name__ == "Stale"
        logged_in(log_in(world, use=TokenUse(PHONE, b"1", 1)))


class TestResuming:
    """XEP-0198 section 9.2, XEP-0386 section 3.2."""

    def start(self, world: World) -> SessionId:
        bind = BindAsked("a/1", client="1", managed=True, token=TOKEN, timeout_s=60)
        bound = logged_in(log_in(world, bind=bind)).bound
        assert bound is not None
        return bound.session_id

    def test_resumed(self, world: World) -> None:
        """A session that is resumed keeps its resource, and the bind is not looked at."""
        session_id = self.start(world)
        result = logged_in(log_in(world, resume=ResumptionAsked(session_id, TOKEN), bind=BindAsked("b/1", client="1")))
        assert result.bound is result.gone is None
        assert result.resumed is not None
        assert (result.resumed.session_id, result.resumed.epoch, result.resumed.resource) == (session_id, 2, "a/1")
        assert world.count("session") == 1

    def test_wrong_token(self, world: World) -> None:
        """A session that cannot be resumed is bound anew."""
        session_id = self.start(world)
        wanted = ResumptionAsked(session_id, b"x" * 16)
        result = logged_in(log_in(world, resume=wanted, bind=BindAsked("b/1", client="1")))
        assert result.resumed is result.gone is None
        assert result.bound is not None
        assert result.bound.session_id != session_id

    def test_wrong_token_without_bind(self, world: World) -> None:
        """Without a bind the login is all there is; the session goes on."""
        session_id = self.start(world)
        result = log_in(world, resume=ResumptionAsked(session_id, b"x" * 16))
        assert logged_in(result) == LoggedIn()
        assert not result.events

    def test_gone(self, world: World) -> None:
        """Of a session that is over it is told how far it had come."""
        session_id = self.start(world)
        world.do(BuryNode(NodeId(1), 1))
        world.time_ms += 61_000
        result = logged_in(
            world_two(world, resume=ResumptionAsked(session_id, TOKEN), bind=BindAsked("b/1", client="1"))
        )
        assert result.gone == Gone(0)
        assert result.bound is not None

    def test_other_accounts(self, world: World) -> None:
        """Nobody resumes what is another's."""
        session_id = self.start(world)
        assert logged_in(log_in(world, "bob", resume=ResumptionAsked(session_id, TOKEN))) == LoggedIn()


def world_two(world: World, **parts: object) -> CommandResult:
    """Log alice in on node 2."""
    return world.do(LogIn("alice", NodeId(2), 1, **parts), node_id=2)  # type: ignore[arg-type]


class TestReplication:
    """Promises P2 and P5."""

    PARTS = (
        {"issue": issue(b"1")},
        {"use": TokenUse(PHONE, b"1", 4), "issue": issue(b"2")},
        {"bind": BindAsked("a/1", "1", True, True, TOKEN, 60), "use": TokenUse(PHONE, b"2")},
        {"resume": ResumptionAsked(SessionId(1), TOKEN)},
        {"resume": ResumptionAsked(SessionId(9), TOKEN), "bind": BindAsked("b/1", "1")},
    )

    def test_kept_outcomes(self, world: World) -> None:
        """A repetition under the same key gets the outcome of the first time, and has no effect."""
        for number, parts in enumerate(self.PARTS):
            action = LogIn("alice", NodeId(1), 1, **parts)  # type: ignore[arg-type]
            key = KeyOrigin(bytes([number]) * 16)
            first = world.do(action, key)
            logged_in(first)
            before = world.scrub()
            again = world.do(action, key)
            assert again.outcome == first.outcome
            assert not again.events
            assert {name for name, digest in world.scrub().items() if digest != before[name]} <= {"idempotency"}

    def test_replicas_agree(self, world: World, new_world: Callable[..., World]) -> None:
        """A replica that applies the same log has the same rows and the same hash."""
        for parts in self.PARTS:
            log_in(world, **parts)
        world.do(SetCredentials("alice", (credential("new"),)))
        other = new_world()
        other.log = world.log
        other.reopen(commit=False)
        assert other.machine.state_hash == world.machine.state_hash
        assert other.scrub() == world.scrub()

    def test_earlier_versions_do_not_know_it(self, new_world: Callable[..., World]) -> None:
        """Before all members understand the command it is one that nobody can read."""
        world = new_world()
        world.account("alice")
        world.do(RaiseVersion(FEATURES_SINCE - 1))
        assert refusal(log_in(world, issue=issue(b"1"))) == "bad-request"
        assert world.count("login_token") == 0
