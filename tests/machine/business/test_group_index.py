"""Which rooms have numbers (machine/business/group_index): the same at all replicas, whatever is in memory."""

from __future__ import annotations

from collections.abc import Callable

from machine.business.programs import DIGITS, create, waiting
from machine.rooms import change_affiliation, open_room, raise_version, say
from machine.world import World
from raftline.machine.outcomes import Done
from raftline.machine.rooms.ranks import Affiliation


def test_a_room_may_know_a_number_before_it_is_one(new_world: Callable[..., World]) -> None:
    """Listed and spoken to before it was made: who has forgotten what was derived comes to the same state."""
    worlds = [new_world(), new_world()]
    told = []
    for world in worlds:
        world.account("alice")
        raise_version(world)
        alice = world.online("alice")
        open_room(alice)
        assert change_affiliation(alice, DIGITS, Affiliation.MEMBER).outcome == Done()
        say(alice, "Nobody is a number yet.")
        assert isinstance(world.do(create(localpart=DIGITS)).outcome, Done)
        if world is worlds[1]:
            world.machine._context.drop_derived()
        said = say(alice, "Now there is one.").position
        told.append([event.message for event in waiting(world)] == [said])
    assert told == [True, True]
    assert worlds[0].machine.state_hash == worlds[1].machine.state_hash
