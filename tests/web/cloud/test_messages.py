"""To whom a message goes, what it becomes, and what keeps it from being sent."""

from __future__ import annotations

import httpx2
import pytest

from raftline.base.cloud_limits import OPAQUE_LENGTH_MAX
from raftline.base.ids import Position
from raftline.machine.business.commands import SendFromNumber
from raftline.machine.business.group_commands import SpeakFromNumber
from raftline.machine.business.ids import group_id, parse_wamid
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.queries import Block, BlockBetween
from web.cloud.door import ANN_BSUID, BEN_BSUID, NUMBER, CloudDoor
from web.cloud.sent import MESSAGES, body_of, children_of, last, refused, send, sent, text_of, tree
from web.cloud.serving import client_of, error_of

HELLO = {"body": "Hello & <welcome>"}


async def test_a_text(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A text becomes what a client of the number would send, and the answer says to whom and under which id."""
    response = await send(cloud, "text", HELLO, biz_opaque_callback_data="order-7")
    assert response.json() == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "15551234567", "wa_id": "15551234567", "user_id": ANN_BSUID}],
        "messages": [{"id": response.json()["messages"][0]["id"]}],
    }
    assert parse_wamid(response.json()["messages"][0]["id"]) == (1, Position(1 << 16))
    action = last(door)
    assert (action.localpart, action.opaque, action.prompt) == (NUMBER, "order-7", None)
    assert (action.message.to_localpart, action.message.kind) == ("15551234567", MessageKind.CHAT)
    assert action.message.storage == Storage.ARCHIVE | Storage.OFFLINE | Storage.COPY | Storage.ALERT
    element = tree(action)
    assert element.attributes == {
        "from": f"{NUMBER}@example.org",
        "to": "15551234567@example.org",
        "type": "chat",
        "id": action.message_id,
    }
    assert len(action.message_id) == 32
    assert text_of(element) == "Hello & <welcome>"
    assert children_of(element) == {"body", "origin-id", "request", "markable", "nick"}
    nick = element.child("nick", "http://jabber.org/protocol/nick")
    origin = element.child("origin-id", "urn:xmpp:sid:0")
    assert nick is not None
    assert nick.text == "Ann's Shop"
    assert origin is not None
    assert origin.get("id") == action.message_id
    assert action.message.stanza.partition(b">")[2].startswith(b"<body>"), "counted without being parsed"


async def test_a_known_person_costs_no_barrier(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """The way of a text asks four things of this replica, and no quorum but for its command."""
    await send(cloud, "text", HELLO)
    assert door.barrier_count == 0
    assert len(door.asked) == 4


@pytest.mark.parametrize(
    ("fields", "localpart", "contact"),
    [
        ({"to": "+1 (555) 123-4567"}, "15551234567", {"wa_id": "15551234567", "user_id": ANN_BSUID}),
        ({"to": 15551234567}, "15551234567", {"wa_id": "15551234567", "user_id": ANN_BSUID}),
        ({"to": None, "recipient": ANN_BSUID}, "15551234567", {"wa_id": "15551234567", "user_id": ANN_BSUID}),
        (
            {"to": None, "recipient": "DE" + ANN_BSUID[2:]},
            "15551234567",
            {"wa_id": "15551234567", "user_id": ANN_BSUID},
        ),
        ({"to": BEN_BSUID}, "ben", {"user_id": BEN_BSUID}),
        ({"to": "ben", "recipient_type": "group"}, "ben", {"user_id": BEN_BSUID}),
        ({"to": "ben@example.org", "recipient_type": None}, "ben", {"user_id": BEN_BSUID}),
    ],
)
async def test_recipients(
    door: CloudDoor, cloud: httpx2.AsyncClient, fields: dict[str, object], localpart: str, contact: dict[str, str]
) -> None:
    """People are named by number, BSUID, name or address, and the answer tells each of their ids."""
    response = await send(cloud, "text", HELLO, **fields)
    assert last(door).message.to_localpart == localpart
    assert response.json()["contacts"] == [{"input": str(fields["to"] or fields["recipient"]), **contact}]


async def test_who_cannot_be_reached(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Nobody at all and somebody who has blocked the number look the same; the number itself does not."""
    unknown = error_of(await send(cloud, "text", HELLO, to="15559999999"), 400)
    door.answers[BlockBetween] = lambda _query: Block.CONTACT
    blocked = error_of(await send(cloud, "text", HELLO), 400)
    assert blocked | {"fbtrace_id": ""} == unknown | {"fbtrace_id": ""}
    assert unknown["code"] == 131026
    for elsewhere in ("ann@elsewhere.org", "US.ENT.123", "no body"):
        assert await refused(cloud, "text", HELLO, to=elsewhere) == 131026
    assert await refused(cloud, "text", HELLO, to=NUMBER) == 131021
    door.answers[BlockBetween] = lambda _query: Block.USER
    error = error_of(await send(cloud, "text", HELLO), 400)
    assert (error["code"], "has blocked" in error["error_data"]["details"]) == (131026, True)
    assert not door.executed
    door.reject(SpeakFromNumber, "item-not-found")
    assert await refused(cloud, "text", HELLO, to=group_id("nowhere")) == 131041


async def test_what_a_request_must_have(cloud: httpx2.AsyncClient) -> None:
    """Parameters that are missing, of the wrong type or not known are told by name."""
    assert await refused(cloud, "text", HELLO, to=None) == 131008
    assert await refused(cloud, "text", HELLO, to="") == 131008
    assert await refused(cloud, "text", HELLO, recipient_type="everybody") == 131009
    assert await refused(cloud, "text", HELLO, messaging_product="telegram") == 131009
    assert await refused(cloud, "text", HELLO, messaging_product=None) == 131009
    assert await refused(cloud, "text", HELLO, recipient_identity_key_hash="x") == 131009
    assert await refused(cloud, "text", None) == 131008
    assert await refused(cloud, "text", {}) == 131008
    assert await refused(cloud, "text", {"body": 7}) == 131009
    assert await refused(cloud, "smoke_signal", {}) == 131051
    assert await refused(cloud, "pin", {"type": "pin", "message_id": "x"}) == 131051
    assert error_of(await cloud.post(MESSAGES, json={"to": "1"}), 400)["code"] == 131008
    assert error_of(await cloud.post(MESSAGES, json=[]), 400)["code"] == 131009


async def test_a_message_without_a_type_is_a_text(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """As programs write that send nothing else."""
    body = body_of("text", HELLO)
    del body["type"]
    assert (await cloud.post(MESSAGES, json=body)).status_code == 200
    assert text_of(tree(last(door))) == HELLO["body"]


async def test_data_that_comes_back(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """It has a greatest length, on both sides of which things differ."""
    await sent(cloud, door, "text", HELLO, biz_opaque_callback_data="x" * OPAQUE_LENGTH_MAX)
    assert await refused(cloud, "text", HELLO, biz_opaque_callback_data="x" * (OPAQUE_LENGTH_MAX + 1)) == 131009


@pytest.mark.parametrize(
    ("condition", "detail", "status", "code"),
    [
        ("policy-violation", "number", 429, 130429),
        ("policy-violation", "pair", 429, 131056),
        ("not-allowed", "number", 400, 133010),
        ("not-acceptable", "{urn:xmpp:blocking:errors}blocked", 400, 131026),
        ("item-not-found", "", 400, 100),
        ("internal-server-error", "", 500, 131000),
    ],
)
async def test_what_the_state_machine_refuses(
    door: CloudDoor, cloud: httpx2.AsyncClient, condition: str, detail: str, status: int, code: int
) -> None:
    """Each refusal has the code that programs know."""
    door.reject(SendFromNumber, condition, detail)
    assert await refused(cloud, "text", HELLO, status) == code


async def test_a_number_that_is_not_registered(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """It sends nothing."""
    door.numbers[12] = door.numbers[12]._replace(is_registered=0)
    assert await refused(cloud, "text", HELLO) == 133010
    assert not door.executed


async def test_a_token_for_messages(door: CloudDoor) -> None:
    """A token that may only manage cannot send."""
    door.issue("manager", "whatsapp_business_management")
    async with client_of(door, "manager") as cloud:
        assert await refused(cloud, "text", HELLO, 403) == 200
