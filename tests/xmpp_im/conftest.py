"""Fixtures of this folder: people in a room, and people with devices."""

from __future__ import annotations

import pytest

from xmpp_im.nodes import online
from xmpp_im.rooms import join, make_room, take
from xmpp_im.service import Client, Service


@pytest.fixture
def service() -> Service:
    """A service with three accounts."""
    return Service("alice", "bob", "carol")


@pytest.fixture
def alice(service: Service) -> Client:
    """Alice, in the room that she made."""
    client = service.bind("alice")
    make_room(client)
    return client


@pytest.fixture
def bob(service: Service, alice: Client) -> Client:
    """Bob, in the room as well."""
    client = service.bind("bob")
    join(client, "b")
    take(alice)
    return client


@pytest.fixture
def phone(service: Service) -> Client:
    """Alice's phone, available."""
    return online(service, "alice")


@pytest.fixture
def desk(service: Service) -> Client:
    """Alice's other device, available."""
    return online(service, "alice", "desk")


@pytest.fixture
def carol(service: Service) -> Client:
    """Carol, available."""
    return online(service, "carol")
