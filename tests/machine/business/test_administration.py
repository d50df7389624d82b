"""Administration of businesses (administration.py, applications.py): what operators make, change and remove."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from machine.business.programs import DIGITS, create, number, open_business, send, waiting, write
from machine.world import World
from raftline.base.business_limits import (
    BUSINESS_APP_COUNT_MAX,
    BUSINESS_NAME_SIZE_MAX,
    BUSINESS_NUMBER_COUNT_MAX,
    BUSINESS_PROFILE_SIZE_MAX,
    BUSINESS_TEMPLATE_COUNT_MAX,
    BUSINESS_TEMPLATE_SIZE_MAX,
    BUSINESS_TOKEN_COUNT_MAX,
)
from raftline.machine.business import administration, audit
from raftline.machine.business.commands import (
    AddNumber,
    ChangeApp,
    ChangeNumber,
    CreateApp,
    DeleteApp,
    DeleteBusiness,
    DeleteTemplate,
    IssueToken,
    RemoveNumber,
    RevokeToken,
    SetCallback,
    StoreTemplate,
)
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.queries import (
    AppNamed,
    BusinessAudit,
    Businesses,
    IdentityBy,
    IdentityOf,
    TemplateNamed,
    TemplatesOf,
    TokenAccess,
    TokensOf,
)
from raftline.machine.business.values import Created
from raftline.machine.commands import ActForNumber, DeleteAccount, SetVcard
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.queries import AccountExists


def refused(outcome: Outcome) -> str:
    assert isinstance(outcome, Rejected), outcome
    return outcome.condition


def made(outcome: Outcome) -> Created:
    assert isinstance(outcome, Done), outcome
    assert isinstance(outcome.result, Created)
    return outcome.result


class TestCreate:
    """CreateBusiness."""

    def test_makes_all_that_a_program_needs(self, world: World):
        """A business, an application with a token and a callback, a number with an account."""
        ids = open_business(world)
        (view,) = world.machine.answer(Businesses())
        assert view.business.name == "Shop"
        assert [app.app_id for app in view.apps] == [ids.app_id]
        assert [row.localpart for row in view.numbers] == [DIGITS]
        assert [callback.scope for callback in view.callbacks] == ["app"]
        assert world.machine.answer(AccountExists(DIGITS)) is True
        access = world.machine.answer(TokenAccess(hashlib.sha256(DIGITS.encode()).digest()))
        assert (access.app.app_id, access.is_expired) == (ids.app_id, False)

    def test_not_before_its_version(self, world: World):
        """Members of an earlier release would not understand it."""
        assert refused(world.do(create()).outcome) == "bad-request"

    @pytest.mark.parametrize(
        ("changes", "condition"),
        [
            ({"localpart": "123456"}, "not-acceptable"),
            ({"localpart": "1234567890123456"}, "not-acceptable"),
            ({"localpart": "0123456789"}, "not-acceptable"),
            ({"localpart": "shop"}, "not-acceptable"),
            ({"name": ""}, "not-acceptable"),
            ({"name": "x" * (BUSINESS_NAME_SIZE_MAX + 1)}, "not-acceptable"),
            ({"secret": b"short"}, "bad-request"),
            ({"token": b"short"}, "bad-request"),
            ({"url": "http://x/" + "y" * 3000}, "not-acceptable"),
        ],
    )
    def test_refuses_what_cannot_be(self, world: World, changes: dict[str, Any], condition: str):
        """Nothing is left of a business that is refused."""
        world.do(RaiseVersion(4))
        assert refused(world.do(create(**changes)).outcome) == condition
        assert world.machine.answer(Businesses()) == []

    @pytest.mark.parametrize("localpart", ["1234567", "123456789012345"])
    def test_bounds_of_numbers(self, world: World, localpart: str):
        """7 to 15 digits."""
        open_business(world, localpart=localpart)

    def test_names_and_tokens_are_taken_once(self, world: World):
        """An account of that name, or the same token, is a conflict."""
        open_business(world)
        assert refused(world.do(create()).outcome) == "conflict"
        again = create(localpart="15550002222", token=hashlib.sha256(DIGITS.encode()).digest())
        assert refused(world.do(again).outcome) == "conflict"

    def test_there_is_an_end(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """No more than so many businesses."""
        monkeypatch.setattr(administration, "BUSINESS_COUNT_MAX", 2)
        open_business(world)
        made(world.do(create(localpart="15550002222")).outcome)
        assert refused(world.do(create(localpart="15550003333")).outcome) == "resource-constraint"


class TestNumbers:
    """AddNumber, ChangeNumber, RemoveNumber."""

    def test_a_number_goes_with_its_account(self, world: World):
        """Whichever of the two is removed."""
        ids = open_business(world)
        other = made(world.do(AddNumber(ids.business_id, "15550002222", "Other", "admin")).outcome)
        assert world.do(RemoveNumber(other.number_id, "admin")).outcome == Done()
        assert world.machine.answer(AccountExists("15550002222")) is False
        assert world.do(DeleteAccount(DIGITS)).outcome == Done()
        assert world.machine.answer(Businesses())[0].numbers == []
        assert refused(world.do(RemoveNumber(ids.number_id, "admin")).outcome) == "item-not-found"

    def test_changes_what_is_named(self, world: World):
        """The rest stays."""
        ids = open_business(world)
        assert world.do(ChangeNumber(ids.number_id, "admin", verified_name="New", per_second=80)).outcome == Done()
        assert world.do(ChangeNumber(ids.number_id, "admin", profile=b'{"about":"x"}')).outcome == Done()
        row = number(world)
        assert (row.verified_name, row.per_second, row.pair_per_minute, row.profile) == ("New", 80, 0, b'{"about":"x"}')

    def test_refuses_what_is_too_long(self, world: World):
        """A name and a profile have a size."""
        ids = open_business(world)
        assert refused(world.do(ChangeNumber(ids.number_id, "admin", verified_name="")).outcome) == "not-acceptable"
        fits, too_long = b"x" * BUSINESS_PROFILE_SIZE_MAX, b"x" * (BUSINESS_PROFILE_SIZE_MAX + 1)
        assert world.do(ChangeNumber(ids.number_id, "admin", profile=fits)).outcome == Done()
        assert refused(world.do(ChangeNumber(ids.number_id, "admin", profile=too_long)).outcome) == "not-acceptable"
        assert refused(world.do(ChangeNumber(99, "admin")).outcome) == "item-not-found"

    def test_how_many(self, world: World):
        """A business has at most so many numbers, and a business that is not there has none."""
        ids = open_business(world)
        for place in range(BUSINESS_NUMBER_COUNT_MAX - 1):
            made(world.do(AddNumber(ids.business_id, f"{16660000000 + place}", "N", "admin")).outcome)
        assert refused(world.do(AddNumber(ids.business_id, "17770000000", "N", "admin")).outcome) == (
            "resource-constraint"
        )
        assert refused(world.do(AddNumber(99, "17770000000", "N", "admin")).outcome) == "item-not-found"

    def test_a_program_acts_for_its_account(self, world: World):
        """What a session could do; the name of the card is what identities say."""
        open_business(world)
        card = b"<vCard xmlns='vcard-temp'><FN>The  &amp; Shop</FN></vCard>"
        assert world.machine.answer(IdentityOf(DIGITS)).name == DIGITS
        assert world.do(ActForNumber(DIGITS, SetVcard(card))).outcome == Done()
        identity = world.machine.answer(IdentityOf(DIGITS))
        assert identity.name == "The & Shop"
        assert world.machine.answer(IdentityBy(identity.account_id)) == identity
        assert refused(world.do(ActForNumber("alice", SetVcard(card))).outcome) == "item-not-found"


class TestApplications:
    """CreateApp, ChangeApp, DeleteApp, tokens and callbacks."""

    def test_each_gets_every_event(self, world: World):
        """One row for each application, so that none waits for another."""
        ids = open_business(world)
        other = made(world.do(CreateApp(ids.business_id, "Second", b"t" * 16, "admin")).outcome)
        world.do(SetCallback(other.app_id, "app", "http://other/", "v", "messages", "admin"))
        write(world.online("alice"))
        assert [event.app_id for event in waiting(world)] == [ids.app_id, other.app_id]

    @pytest.mark.parametrize("fields", ["", "calls"])
    def test_none_that_it_did_not_subscribe_to(self, world: World, fields: str):
        """A callback for other fields is told of no message."""
        ids = open_business(world)
        world.do(SetCallback(ids.app_id, "app", "http://x/", "v", fields, "admin"))
        write(world.online("alice"))
        assert waiting(world) == []

    def test_a_callback_of_a_number_counts_alone(self, world: World):
        """A narrower scope is enough to be told; a foreign one is refused."""
        ids = open_business(world, url="")
        scope = graph_id(GraphKind.NUMBER, ids.number_id)
        assert world.do(SetCallback(ids.app_id, scope, "http://x/", "v", "", "admin")).outcome == Done()
        write(world.online("alice"))
        assert len(waiting(world)) == 1
        other = made(world.do(create("Other", "15550002222")).outcome)
        for number_id in (999, other.number_id):
            foreign = graph_id(GraphKind.NUMBER, number_id)
            command = SetCallback(ids.app_id, foreign, "http://x/", "v", "", "admin")
            assert refused(world.do(command).outcome) == "not-acceptable"
        assert world.do(SetCallback(ids.app_id, scope, "", "", "", "admin")).outcome == Done()
        write(world.online("bob"))
        assert len(waiting(world)) == 1

    def test_secrets_and_streams(self, world: World):
        """A secret is replaced at once; streams alone keep events that nobody is called for."""
        ids = open_business(world, url="")
        assert world.do(ChangeApp(ids.app_id, "admin", secret=b"n" * 16, streams=True)).outcome == Done()
        app = world.machine.answer(AppNamed(ids.app_id)).app
        assert (app.secret, app.streams) == (b"n" * 16, 1)
        assert refused(world.do(ChangeApp(ids.app_id, "admin", secret=b"n")).outcome) == "bad-request"
        write(world.online("alice"))
        assert waiting(world) == []
        assert world.count("business_event") == 1

    def test_tokens(self, world: World):
        """They expire by cluster time, are listed by age, and are revoked by id; expired ones make room."""
        ids = open_business(world)
        for place in range(BUSINESS_TOKEN_COUNT_MAX - 1):
            expires_ms = 0 if place else world.time_ms + 1000
            made(world.do(IssueToken(ids.app_id, bytes([place]) * 32, "t", "s", "admin", expires_ms)).outcome)
        one_more = IssueToken(ids.app_id, b"z" * 32, "t", "s", "admin")
        world.time_ms += 999
        assert refused(world.do(one_more).outcome) == "resource-constraint"
        assert world.machine.answer(TokenAccess(bytes(32))).is_expired is False
        world.time_ms += 1
        issued = made(world.do(one_more).outcome)
        assert world.machine.answer(TokenAccess(bytes(32))) is None
        listed = world.machine.answer(TokensOf(ids.app_id))
        assert listed[-1].token_id == issued.token_id
        assert world.do(RevokeToken(issued.token_id, "admin")).outcome == Done()
        assert world.machine.answer(TokenAccess(b"z" * 32)) is None
        assert refused(world.do(RevokeToken(issued.token_id, "admin")).outcome) == "item-not-found"

    def test_how_many(self, world: World):
        """A business has at most so many applications."""
        ids = open_business(world)
        for _ in range(BUSINESS_APP_COUNT_MAX - 1):
            made(world.do(CreateApp(ids.business_id, "App", b"t" * 16, "admin")).outcome)
        assert refused(world.do(CreateApp(ids.business_id, "App", b"t" * 16, "admin")).outcome) == (
            "resource-constraint"
        )

    def test_events_of_one_that_is_gone_go_in_steps(self, world: World):
        """Its tokens at once; messages that events held go with the last holder."""
        ids = open_business(world)
        alice = world.online("alice")
        for place in range(3):
            write(alice, message_id=f"c{place}", storage=0)
        assert world.count("message") == 3
        assert world.do(DeleteApp(ids.app_id, "admin")).outcome == Done()
        assert world.machine.answer(TokensOf(ids.app_id)) == []
        world.do(RaiseVersion(4))
        assert (world.count("business_event"), world.count("message"), world.count("doomed")) == (0, 0, 0)

    @pytest.mark.parametrize("action", [DeleteApp(99, "a"), ChangeApp(99, "a"), IssueToken(99, b"x" * 32, "", "", "a")])
    def test_one_that_is_not_there(self, world: World, action: Any):
        """Nothing can be done to it."""
        open_business(world)
        assert refused(world.do(action).outcome) == "item-not-found"


class TestTemplates:
    """StoreTemplate, DeleteTemplate."""

    def test_by_name_and_language(self, world: World):
        """Replaced under the same id, deleted in one language or all."""
        ids = open_business(world)
        stored = made(world.do(StoreTemplate(ids.business_id, "hi", "en_US", "UTILITY", b"[]", "app")).outcome)
        again = made(world.do(StoreTemplate(ids.business_id, "hi", "en_US", "UTILITY", b"[1]", "app")).outcome)
        made(world.do(StoreTemplate(ids.business_id, "hi", "de", "UTILITY", b"[]", "app")).outcome)
        assert stored.template_id == again.template_id
        assert world.machine.answer(TemplateNamed(ids.business_id, "hi", "en_US")).components == b"[1]"
        assert [row.language for row in world.machine.answer(TemplatesOf(ids.business_id))] == ["de", "en_US"]
        assert [row.language for row in world.machine.answer(TemplatesOf(ids.business_id, after=("hi", "de")))] == [
            "en_US"
        ]
        assert world.do(DeleteTemplate(ids.business_id, "hi", "de", "app")).outcome == Done()
        assert world.do(DeleteTemplate(ids.business_id, "hi", "", "app")).outcome == Done()
        assert refused(world.do(DeleteTemplate(ids.business_id, "hi", "", "app")).outcome) == "item-not-found"

    def test_bounds(self, world: World):
        """Of a template's size and of their count."""
        ids = open_business(world)
        fits, too_long = b"x" * BUSINESS_TEMPLATE_SIZE_MAX, b"x" * (BUSINESS_TEMPLATE_SIZE_MAX + 1)
        made(world.do(StoreTemplate(ids.business_id, "t", "en", "UTILITY", fits, "app")).outcome)
        assert refused(world.do(StoreTemplate(ids.business_id, "t", "en", "UTILITY", too_long, "app")).outcome) == (
            "not-acceptable"
        )
        for place in range(BUSINESS_TEMPLATE_COUNT_MAX - 1):
            made(world.do(StoreTemplate(ids.business_id, f"t{place}", "en", "UTILITY", b"[]", "app")).outcome)
        assert refused(world.do(StoreTemplate(ids.business_id, "more", "en", "UTILITY", b"[]", "app")).outcome) == (
            "resource-constraint"
        )


class TestAudit:
    """The audit trail."""

    def test_says_who_did_what(self, world: World):
        """The latest first; never a secret."""
        ids = open_business(world)
        world.do(ChangeApp(ids.app_id, "console ann", secret=b"n" * 16))
        lines = world.machine.answer(BusinessAudit())
        assert [(line.actor, line.action) for line in lines] == [
            ("console ann", "app.change"),
            ("admin", "business.create"),
        ]
        assert world.machine.answer(BusinessAudit(business_id=99)) == []
        assert len(world.machine.answer(BusinessAudit(before=lines[0].position))) == 1

    def test_the_oldest_lines_go(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """It has an end."""
        monkeypatch.setattr(audit, "BUSINESS_AUDIT_COUNT_MAX", 2)
        ids = open_business(world)
        for _ in range(2):
            world.do(ChangeApp(ids.app_id, "admin", streams=True))
        assert [line.action for line in world.machine.answer(BusinessAudit())] == ["app.change", "app.change"]


def test_a_business_is_deleted_with_all_that_belongs_to_it(world: World):
    """Numbers with their accounts, applications, templates, events; the trail stays."""
    ids = open_business(world)
    made(world.do(StoreTemplate(ids.business_id, "t", "en", "UTILITY", b"[]", "app")).outcome)
    alice = world.online("alice")
    write(alice)
    send(world, "alice")
    assert world.do(DeleteBusiness(ids.business_id, "admin")).outcome == Done()
    assert world.machine.answer(AccountExists(DIGITS)) is False
    for _ in range(3):
        world.do(RaiseVersion(4))
    tables = ("business", "business_app", "business_token", "business_number", "business_callback", "business_event")
    assert [world.count(table) for table in (*tables, "business_message", "business_template", "doomed")] == [0] * 9
    assert world.machine.answer(BusinessAudit())[0].action == "business.delete"
    assert refused(world.do(DeleteBusiness(ids.business_id, "admin")).outcome) == "item-not-found"
    assert waiting(world) == []
