"""The doors of groups on three nodes, with a library's own stack: links, requests, slow mode, announcements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError

from integration.cluster_process import Cluster, wait_until
from integration.xmpp_client import Client

pytestmark = pytest.mark.timeout(180)

PASSWORD = "many-doors"
ROOM = "lodge@conference.localhost"
MUC = "http://jabber.org/protocol/muc"
ROOMS = "urn:raftline:rooms:0"
COMMANDS = "http://jabber.org/protocol/commands"
DATA = "{jabber:x:data}"
REACTION = "<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>\N{THUMBS UP SIGN}</reaction></reactions>"
PATIENCE_S = 20.0
PACE_S = 3_600


def form(form_type: str, fields: dict[str, str]) -> str:
    written = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in fields.items())
    typed = f"<field var='FORM_TYPE'><value>{form_type}</value></field>" if form_type else ""
    return f"<x xmlns='jabber:x:data' type='submit'>{typed}{written}</x>"


def condition_of(stanza: Any) -> str:
    """Condition of an error; empty for what is none. The library does not know all conditions of RFC 6120."""
    error = stanza.xml.find("{jabber:client}error")
    return "" if error is None else str(error[0].tag.rpartition("}")[2])


class Guest(Client):
    """A client of the library at the doors of a room; it keeps what the room tells it."""

    def __init__(self, username: str) -> None:
        super().__init__(username, PASSWORD)
        self.told: list[Any] = []
        self.add_filter("in", self._on_stanza)

    def _on_stanza(self, stanza: Any) -> Any:
        """Keep what the room tells; the library has no event for messages without a text."""
        if stanza.name in {"presence", "message"} and stanza["from"].bare == ROOM:
            self.told.append(stanza)
        return stanza

    async def wait_told(self, what: str, is_it: Callable[[Any], bool]) -> Any:
        """Wait until the room has told something."""

        async def probe() -> Any:
            return next((stanza for stanza in self.told if is_it(stanza)), None)

        return await wait_until(f"{self.account} is told: {what}", probe, PATIENCE_S, interval_s=0.02)

    async def ask(self, kind: str, payload: str) -> ET.Element:
        """Send the room a request; the payload of its answer."""
        iq = self.Iq()
        iq["type"], iq["to"] = kind, ROOM
        iq.append(ET.fromstring(payload))
        answer: ET.Element = (await iq.send(timeout=PATIENCE_S)).xml
        return answer[0] if len(answer) else answer

    async def command(self, name: str, **fields: str) -> ET.Element:
        """Go through an ad-hoc command of the room."""
        begun = await self.ask("set", f"<command xmlns='{COMMANDS}' node='{ROOMS}#{name}'/>")
        if begun.get("status") == "completed":
            return begun
        head = f"<command xmlns='{COMMANDS}' node='{ROOMS}#{name}' sessionid='{begun.get('sessionid')}'>"
        return await self.ask("set", f"{head}{form('', fields)}</command>")

    async def configure(self, **fields: str) -> None:
        """Set fields of the room's form, by their names in `FIELDS`."""
        named = {FIELDS[name]: value for name, value in fields.items()}
        await self.ask("set", f"<query xmlns='{MUC}#owner'>{form(f'{MUC}#roomconfig', named)}</query>")

    async def enter(self, token: str = "") -> str:
        """Enter, with a token or without; how that ends."""
        self.told.clear()
        presence = self.make_presence(pto=f"{ROOM}/{self.account}")
        presence.append(ET.fromstring(f"<x xmlns='{MUC}'/>"))
        if token:
            presence.append(ET.fromstring(f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>"))
        presence.send()
        answer = await self.wait_told("how entering ends", self._is_own)
        return condition_of(answer) or "inside"

    def _is_own(self, stanza: Any) -> bool:
        return stanza.name == "presence" and stanza["from"].resource == self.account

    async def say(self, body: str, extra: str = "") -> str:
        """Say something to everyone; `heard`, or why not."""
        number = f"say{len(self.told)}-{body or 'reaction'}"
        message = self.make_message(mto=JID(ROOM), mbody=body or None, mtype="groupchat")
        message["id"] = number
        if extra:
            message.append(ET.fromstring(extra))
        message.send()
        answer = await self.wait_told(f"what becomes of {number}", lambda stanza: stanza["id"] == number)
        return condition_of(answer) or "heard"

    async def members(self) -> set[str]:
        """Who is on the room's list of members."""
        listed = await self.ask("get", f"<query xmlns='{MUC}#admin'><item affiliation='member'/></query>")
        return {item.get("jid", "").partition("@")[0] for item in listed}


FIELDS = {
    "members_only": "muc#roomconfig_membersonly",
    "persistent": "muc#roomconfig_persistentroom",
    "join_requests": "{urn:raftline:rooms}join_requests",
    "slow_mode": "muc#roomconfig_slow_mode_duration",
    "announcements": "{urn:raftline:rooms}announcements",
}


def values(answer: ET.Element) -> dict[str, str]:
    """The fields in an answer."""
    return {field.get("var", ""): field.findtext(f"{DATA}value") or "" for field in answer.iter(f"{DATA}field")}


async def test_a_group_and_its_doors(cluster: Cluster) -> None:
    """
    A link lets one of two in who show it on two nodes at once; the other asks, the leader dies, an admin says yes.

    Then the pace is one for two devices on two nodes, and the group announces.
    """
    leader = await cluster.leader()
    first, second = (node_id for node_id in cluster.node_ids if node_id != leader)
    alice, bob, carol = people = [Guest(name) for name in ("alice", "bob", "carol")]
    try:
        for person, node_id in zip(people, (first, second, leader), strict=True):
            await person.register_account(cluster.node(node_id).xmpp)
        assert await alice.enter() == "inside"
        await alice.configure(members_only="1", persistent="1", join_requests="1")
        loser, winner = await _race(alice, bob, carol)
        await _ask_to_join(loser)
        await cluster.kill(leader)
        await carol.log_out()
        again = Guest("carol")
        people.append(again)
        await again.log_in(cluster.node(second).xmpp)
        loser, winner = (again if guest is carol else guest for guest in (loser, winner))
        await _approve(alice, loser)
        if winner is again:
            assert await winner.enter() == "inside"
        twin = Guest(winner.account)
        people.append(twin)
        await twin.log_in(cluster.node(first).xmpp)
        await _keep_pace(alice, winner, twin)
        await _announce(alice, loser)
        await cluster.start_node(leader)
        await cluster.wait_equal_hashes()
    finally:
        await asyncio.gather(*(person.log_out() for person in people))


async def _race(alice: Guest, bob: Guest, carol: Guest) -> tuple[Guest, Guest]:
    """Show one token on two nodes at once; who did not come in, and who did."""
    told = values(await alice.command("invite"))
    assert told["uri"].startswith(f"xmpp:{ROOM}?join;preauth=")
    token = told["uri"].rpartition("=")[2]
    outcomes = dict(zip((bob, carol), await asyncio.gather(bob.enter(token), carol.enter(token)), strict=True))
    assert sorted(outcomes.values()) == ["inside", "registration-required"]
    winner = next(guest for guest, outcome in outcomes.items() if outcome == "inside")
    assert await alice.members() == {winner.account}
    loser = next(guest for guest in outcomes if guest is not winner)
    assert await loser.enter(token) == "registration-required"
    return loser, winner


async def _ask_to_join(loser: Guest) -> None:
    """Register, as section 7.10 of XEP-0045 has it."""
    asked = form(f"{MUC}#register", {"muc#register_roomnick": loser.account})
    await loser.ask("set", f"<query xmlns='jabber:iq:register'>{asked}</query>")
    assert await loser.enter() == "registration-required"


async def _approve(alice: Guest, loser: Guest) -> None:
    """Find the request on another node than it was made on, say yes once; who asked is told, and enters."""
    listed = values(await alice.command("requests"))
    assert listed["jid"] == f"{loser.account}@localhost"
    loser.told.clear()
    await alice.command("decide", jid=listed["jid"], allow="1")
    mail = await loser.wait_told("an answer", lambda stanza: stanza.name == "message")
    assert mail.xml.find(f"{{{MUC}#user}}x/{{{MUC}#user}}invite") is not None
    with pytest.raises(IqError) as second:
        await alice.command("decide", jid=listed["jid"], allow="0")
    assert second.value.condition == "item-not-found"
    assert await loser.enter() == "inside"
    assert loser.account in await alice.members()


async def _keep_pace(alice: Guest, winner: Guest, twin: Guest) -> None:
    """Slow mode counts for an account, on whichever node its devices are; owners say what they like."""
    await alice.configure(slow_mode=str(PACE_S))
    assert await twin.enter() == "inside"
    assert await winner.say("once") == "heard"
    assert await twin.say("twice") == "policy-violation"
    refused = next(stanza for stanza in twin.told if stanza["type"] == "error")
    left = refused.xml.find(f"{{jabber:client}}error/{{{ROOMS}}}slow-mode")
    assert left is not None
    assert 0 < int(left.get("remaining", "0")) <= PACE_S
    assert [await alice.say(word) for word in ("and", "so", "on")] == ["heard"] * 3


async def _announce(alice: Guest, loser: Guest) -> None:
    """Members hear and react, and have no voice."""
    await alice.configure(slow_mode="0", announcements="1")
    await loser.wait_told(
        "that it is a visitor",
        lambda stanza: stanza.name == "presence" and 'role="visitor"' in str(stanza) and loser._is_own(stanza),
    )
    assert await loser.say("may I?") == "forbidden"
    assert await loser.say("", REACTION) == "heard"
    assert await alice.say("news") == "heard"
    await loser.wait_told("the news", lambda stanza: stanza.name == "message" and stanza["body"] == "news")
