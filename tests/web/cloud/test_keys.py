"""Requests that are repeated under the same key, and outcomes that are not known."""

from __future__ import annotations

import asyncio
from typing import cast

import httpx2
import pytest

from raftline.base.cloud_limits import IDEMPOTENCY_KEY_LENGTH_MAX, PACED_KEY_COUNT_MAX, SEND_ATTEMPT_COUNT_MAX
from raftline.base.errors import OutcomeUnknown, RaftlineError, Unavailable
from raftline.machine.business.commands import SendFromNumber
from raftline.machine.business.values import Sent
from raftline.machine.outcomes import Done
from raftline.machine.queries import Block, BlockBetween, OutcomeUnder
from raftline.web.cloud import access
from raftline.web.cloud.sending import keys
from web.cloud.door import NUMBER_ID, OTHER_NUMBER_ID, SCOPES, CloudDoor
from web.cloud.sent import MESSAGES, body_of, last
from web.cloud.serving import client_of, error_of

KEY = {"Idempotency-Key": "order-7"}
BODY = body_of("text", {"body": "Hello"})


async def test_a_repeat_has_the_same_answer(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """One message, and the same answer, also when the person cannot be written to any more."""
    first = await cloud.post(MESSAGES, json=BODY, headers=KEY)
    assert first.status_code == 200
    reordered = dict(reversed(BODY.items()))
    assert (await cloud.post(MESSAGES, json=reordered, headers=KEY)).json() == first.json()
    door.answers[BlockBetween] = lambda _query: Block.CONTACT
    assert (await cloud.post(MESSAGES, json=BODY, headers=KEY)).json() == first.json()
    assert len(door.executed) == 1
    other = await cloud.post(MESSAGES, json=BODY, headers={"Idempotency-Key": "order-8"})
    assert error_of(other, 400)["code"] == 131026


async def test_a_repeat_through_another_node(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A node that does not know yet what came of the first request is told by the command."""
    door.answers[OutcomeUnder] = lambda _query: None
    first = await cloud.post(MESSAGES, json=BODY, headers=KEY)
    message_id = last(door).message_id
    async with client_of(door, entropy=lambda count: b"\xff" * count) as elsewhere:
        again = await elsewhere.post(MESSAGES, json=BODY, headers=KEY)
    assert again.json() == first.json()
    assert len(door.executed) == 1
    assert last(door).message_id == message_id


async def test_a_key_for_another_request(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A key belongs to one request: another one is refused, whether this node knows of the first or not."""
    await cloud.post(MESSAGES, json=BODY, headers=KEY)
    other = body_of("text", {"body": "Goodbye"})
    for _ in range(2):
        error = error_of(await cloud.post(MESSAGES, json=other, headers=KEY), 400)
        assert (error["code"], "another request" in error["error_data"]["details"]) == (131009, True)
        door.answers[OutcomeUnder] = lambda _query: None
    assert len(door.executed) == 1


async def test_a_key_is_a_number_s_own(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Two numbers may use the same key."""
    door.issue("other", SCOPES, app_id=21)
    await cloud.post(MESSAGES, json=BODY, headers=KEY)
    async with client_of(door, "other") as other:
        response = await other.post(f"/{OTHER_NUMBER_ID}/messages", json=BODY, headers=KEY)
    assert response.status_code == 200
    assert len(door.executed) == 2


async def test_without_a_key_each_request_counts(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """Two equal requests are two messages, and nothing is compared."""
    ids = set()
    for headers in ({}, {}, {"Idempotency-Key": ""}):
        await cloud.post(MESSAGES, json=BODY, headers=headers)
        ids.add(last(door).message_id)
        assert last(door).fingerprint == b""
    assert len(ids) == len(door.executed) == 3


async def test_the_length_of_a_key(cloud: httpx2.AsyncClient) -> None:
    """Keys have a greatest length."""
    fits = {"Idempotency-Key": "x" * IDEMPOTENCY_KEY_LENGTH_MAX}
    assert (await cloud.post(MESSAGES, json=BODY, headers=fits)).status_code == 200
    too_long = {"Idempotency-Key": "x" * (IDEMPOTENCY_KEY_LENGTH_MAX + 1)}
    assert error_of(await cloud.post(MESSAGES, json=BODY, headers=too_long), 400)["code"] == 131009


async def test_what_was_too_fast_may_be_repeated(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """A refusal for pace does not last under the key; what is sent at last is sent once."""
    send = door.outcomes[SendFromNumber]
    door.reject(SendFromNumber, "policy-violation", "pair")
    for _ in range(3):
        assert error_of(await cloud.post(MESSAGES, json=BODY, headers=KEY), 429)["code"] == 131056
    door.outcomes[SendFromNumber] = send
    first = await cloud.post(MESSAGES, json=BODY, headers=KEY)
    assert first.status_code == 200
    assert (await cloud.post(MESSAGES, json=BODY, headers=KEY)).json() == first.json()
    assert len(door.executed) == 4


async def test_how_often_what_was_too_fast_may_be_repeated(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """The keys of a request come to an end; then the last refusal stays."""
    send = door.outcomes[SendFromNumber]
    door.reject(SendFromNumber, "policy-violation", "pair")
    for _ in range(PACED_KEY_COUNT_MAX - 1):
        error_of(await cloud.post(MESSAGES, json=BODY, headers=KEY), 429)
    door.outcomes[SendFromNumber] = send
    assert (await cloud.post(MESSAGES, json=BODY, headers=KEY)).status_code == 200, "one key is left"
    door.reject(SendFromNumber, "policy-violation", "pair")
    other = {"Idempotency-Key": "order-8"}
    for _ in range(PACED_KEY_COUNT_MAX):
        error_of(await cloud.post(MESSAGES, json=BODY, headers=other), 429)
    door.outcomes[SendFromNumber] = send
    error_of(await cloud.post(MESSAGES, json=BODY, headers=other), 429)


@pytest.mark.parametrize("unknown_count", range(SEND_ATTEMPT_COUNT_MAX))
async def test_an_unknown_outcome_is_asked_for_again(
    door: CloudDoor, cloud: httpx2.AsyncClient, unknown_count: int
) -> None:
    """Under the same key, a few times."""
    door.failures = [OutcomeUnknown("?")] * unknown_count
    assert (await cloud.post(MESSAGES, json=BODY)).status_code == 200
    assert len(door.executed) == 1


@pytest.mark.parametrize(
    ("failures", "is_known"),
    [
        ([OutcomeUnknown("?")] * SEND_ATTEMPT_COUNT_MAX, False),
        ([OutcomeUnknown("?"), Unavailable("no quorum")], False),
        ([Unavailable("no quorum")], True),
    ],
)
async def test_what_stays_unknown(
    door: CloudDoor, cloud: httpx2.AsyncClient, failures: list[RaftlineError], *, is_known: bool
) -> None:
    """It is never said that nothing happened when something may have."""
    door.failures = list(failures)
    response = await cloud.post(MESSAGES, json=BODY, headers=KEY)
    error = error_of(response, 503)
    assert (error["code"], error["is_transient"], response.headers["retry-after"]) == (131016, True, "1")
    assert ("Nothing happened" in error["error_data"]["details"]) == is_known


async def test_a_program_is_told_before_it_gives_up(
    door: CloudDoor, cloud: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quorum that does not come is waited for so long and no longer: by a send, and by what has to be looked up."""

    async def wait_for_ever(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(keys, "CLOUD_WAIT_S", 0.01)
    monkeypatch.setattr(access, "CLOUD_WAIT_S", 0.01)
    monkeypatch.setattr(door, "execute", wait_for_ever)
    details = error_of(await cloud.post(MESSAGES, json=BODY, headers=KEY), 503)["error_data"]["details"]
    assert "not known yet" in details
    monkeypatch.setattr(door, "barrier", wait_for_ever)
    door.people.clear()
    details = error_of(await cloud.post(MESSAGES, json=BODY, headers=KEY), 503)["error_data"]["details"]
    assert "Nothing happened" in details


async def test_the_key_stays_secret(door: CloudDoor, cloud: httpx2.AsyncClient) -> None:
    """The id that people see is not the key under which commands are told apart."""
    await cloud.post(MESSAGES, json=BODY, headers=KEY)
    (key, outcome) = next(iter(door.keys.items()))
    assert key.hex() != last(door).message_id
    assert len(key) == 16
    assert cast("Sent", cast("Done", outcome).result).fingerprint == last(door).fingerprint != b""
    assert NUMBER_ID not in last(door).message_id
