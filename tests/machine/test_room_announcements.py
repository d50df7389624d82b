"""Announcement groups: admins and owners have voice, the others read, react, and say how far they have read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine.rooms import (
    change_affiliation,
    change_role,
    configure,
    enter,
    heard,
    open_room,
    raise_version,
    refusal,
    say,
    seen,
    shown,
)
from machine.world import Client, World
from raftline.machine.outcomes import Done
from raftline.machine.rooms import ranks
from raftline.machine.rooms.commands import RequestVoice
from raftline.machine.rooms.events import VoiceRequested
from raftline.machine.rooms.ranks import Affiliation, Role

NO_VOICE = ("forbidden", "auth")


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """Machine of the present version."""
    world = new_world()
    raise_version(world)
    for name in ("alice", "bob", "carol"):
        world.account(name)
    return world


@pytest.fixture
def alice(world: World) -> Client:
    """Who owns a group that announces."""
    client = world.online("alice")
    open_room(client, "alice", persistent=True, announcements=True)
    return client


@pytest.fixture
def bob(world: World, alice: Client) -> Client:
    """A member who is inside."""
    change_affiliation(alice, "bob", Affiliation.MEMBER)
    client = world.online("bob", node_id=2)
    enter(client, "bob")
    return client


@pytest.mark.parametrize("moderated", [True, False])
@pytest.mark.parametrize(
    ("affiliation", "role"),
    [
        (Affiliation.OUTCAST, Role.NONE),
        (Affiliation.NONE, Role.VISITOR),
        (Affiliation.MEMBER, Role.VISITOR),
        (Affiliation.ADMIN, Role.MODERATOR),
        (Affiliation.OWNER, Role.MODERATOR),
    ],
)
def test_voice_by_affiliation(affiliation: Affiliation, role: Role, moderated: bool):
    """Whoever is below an admin is a visitor, whether the room is moderated beside or not."""
    assert ranks.initial_role(affiliation, moderated=moderated, announces=True) == role


class TestVoice:
    """Who may speak."""

    def test_members_listen(self, alice: Client, bob: Client):
        """They hear announcements, and are told that they have no voice."""
        assert heard(say(alice, "news"), bob) == ["news"]
        assert refusal(say(bob, "what?")) == NO_VOICE
        assert refusal(say(bob, "", is_subject=True)) == NO_VOICE

    def test_who_becomes_an_admin(self, alice: Client, bob: Client):
        """Voice comes and goes with the affiliation, at once."""
        change_affiliation(alice, "bob", Affiliation.ADMIN)
        assert say(bob, "more news").outcome == Done()
        change_affiliation(alice, "bob", Affiliation.MEMBER)
        assert seen(bob).role == Role.VISITOR
        assert refusal(say(bob, "yet more")) == NO_VOICE

    def test_voice_for_a_visit(self, world: World, alice: Client, bob: Client):
        """Moderators may still give voice to somebody who is there; it ends with the visit."""
        change_role(alice, "bob", Role.PARTICIPANT)
        assert say(bob, "a question").outcome == Done()
        change_affiliation(alice, "bob", Affiliation.NONE)
        assert seen(bob).role == Role.PARTICIPANT
        enter(bob, "bob")
        again = world.online("carol")
        enter(again, "carol")
        assert seen(again).role == Role.VISITOR

    def test_requests_for_voice(self, alice: Client, bob: Client):
        """They are passed on or refused, as the room is configured."""
        result = bob.do(RequestVoice("den"))
        assert [event.nick for event in result.events if isinstance(event, VoiceRequested)] == ["bob"]
        configure(alice, persistent=True, announcements=True, voice_requests=False)
        assert refusal(bob.do(RequestVoice("den"))) == NO_VOICE


class TestChanging:
    """A group becomes one for announcements, and back."""

    def test_on_and_off(self, world: World, alice: Client):
        """Those who are inside lose voice at once, and have it back as if they entered; all are shown so."""
        configure(alice, persistent=True)
        change_affiliation(alice, "bob", Affiliation.MEMBER)
        bob, carol = world.online("bob", node_id=2), world.online("carol", node_id=3)
        enter(bob, "bob")
        enter(carol, "carol")
        on = configure(alice, persistent=True, announcements=True)
        assert {(event.nick, event.role) for event in shown(on, carol)} == {
            ("bob", Role.VISITOR),
            ("carol", Role.VISITOR),
        }
        assert [seen(client).role for client in (alice, bob, carol)] == [Role.MODERATOR, Role.VISITOR, Role.VISITOR]
        assert shown(configure(alice, persistent=True, announcements=True, slow_mode_s=1), carol) == []
        off = configure(alice, persistent=True, moderated=True)
        assert {(event.nick, event.role) for event in shown(off, bob)} == {("bob", Role.PARTICIPANT)}
        assert [seen(client).role for client in (bob, carol)] == [Role.PARTICIPANT, Role.VISITOR]

    def test_moderators_stay(self, world: World, alice: Client, bob: Client):
        """Whom an admin has made a moderator keeps the role while the group changes."""
        configure(alice, persistent=True)
        change_role(alice, "bob", Role.MODERATOR)
        configure(alice, persistent=True, announcements=True)
        assert seen(bob).role == Role.MODERATOR


class TestReacting:
    """What those without voice may send."""

    def test_reactions_and_markers(self, alice: Client, bob: Client):
        """They pass where the group lets them; nothing else does, nor in any other room without voice."""
        assert say(bob, "", reacts=True).outcome == Done()
        assert say(bob, "", marks_only=True, marked=1).outcome == Done()
        configure(alice, persistent=True, announcements=True, announcement_reactions=False)
        assert refusal(say(bob, "", reacts=True)) == NO_VOICE
        assert refusal(say(bob, "", marks_only=True)) == NO_VOICE
        configure(alice, persistent=True, moderated=True)
        change_affiliation(alice, "bob", Affiliation.NONE)
        change_role(alice, "bob", Role.VISITOR)
        assert refusal(say(bob, "", reacts=True)) == NO_VOICE
