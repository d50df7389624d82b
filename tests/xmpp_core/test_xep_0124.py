"""XEP-0124 BOSH, section by section: requests and times by hand, no sockets. HTTP itself is in tests/gateway."""

from __future__ import annotations

from typing import Any

import pytest

from raftline.xmpp.bosh_body import BindingFailed
from raftline.xmpp.bosh_terms import (
    HOLD_COUNT_MAX,
    INACTIVITY_S,
    PAUSE_S_MAX,
    POLLING_INACTIVITY_S,
    POLLING_S,
    WAIT_S_MAX,
    agree,
    failure,
)
from raftline.xmpp.xeps.xep_0124_bosh import REPEAT_COUNT_MAX, RESPONSE_BYTES_MAX, BoshSession
from xmpp_core.bosh_requests import RID, STANZA, Client, body

EMPTY = {"payloads": ""}


def ended(condition: str) -> dict[str, str]:
    return {"type": "terminate", "condition": condition, "payloads": ""}


class TestSection71SessionCreationRequest:
    """7.1: what a client may ask for."""

    def test_content_type(self) -> None:
        """It is that of every response; without one it is XML's."""
        client = Client(content="text/html; charset=utf-8")
        assert client.got[1].content_type == "text/html; charset=utf-8"
        assert client.got[client.ask(rid=RID + 10)].content_type == "text/html; charset=utf-8"
        assert Client().got[1].content_type == "text/xml; charset=utf-8"

    @pytest.mark.parametrize(
        "asked",
        [
            {"content": "text/html\r\nSet-Cookie: a=b"},
            {"content": "x"},
            {"ver": "one"},
            {"ver": "1"},
            {"hold": "-1"},
            {"wait": "soon"},
            {"rid": 0},
            {"rid": None},
        ],
    )
    def test_nonsense(self, asked: dict[str, Any]) -> None:
        """An attribute that is not what it has to be refuses the session."""
        with pytest.raises(BindingFailed) as failed:
            Client(**asked)
        assert failed.value.condition == "bad-request"


class TestSection72SessionCreationResponse:
    """7.2: what the server answers."""

    def test_all_that_is_told(self) -> None:
        """Each attribute that must or should be there; no other response has them."""
        client = Client()
        assert client.greeting == {
            "sid": "s",
            "wait": "60",
            "hold": "1",
            "requests": "2",
            "inactivity": str(INACTIVITY_S),
            "polling": str(POLLING_S),
            "maxpause": str(PAUSE_S_MAX),
            "ver": "1.6",
            "ack": str(RID),
            "payloads": "",
        }
        ticket = client.ask()
        client.write(STANZA)
        assert client.reply(ticket) == {"payloads": "message"}

    @pytest.mark.parametrize(("asked", "told"), [(0, 0), (WAIT_S_MAX, WAIT_S_MAX), (WAIT_S_MAX + 1, WAIT_S_MAX)])
    def test_wait(self, asked: int, told: int) -> None:
        """No longer than asked for, and no longer than proxies bear."""
        assert Client(wait=asked).greeting["wait"] == str(told)

    @pytest.mark.parametrize(
        ("asked", "told"), [(0, 0), (2, 2), (HOLD_COUNT_MAX, HOLD_COUNT_MAX), (1_000, HOLD_COUNT_MAX)]
    )
    def test_hold(self, asked: int, told: int) -> None:
        """As asked for, within bounds; one more may be under way."""
        greeting = Client(hold=asked).greeting
        assert (greeting["hold"], greeting["requests"]) == (str(told), str(told + 1))

    @pytest.mark.parametrize(("asked", "told"), [("1.6", "1.6"), ("1.10", "1.10"), ("1.11", "1.11"), ("2.0", "1.11")])
    def test_version(self, asked: str, told: str) -> None:
        """The lower one; minor numbers are numbers."""
        assert Client(ver=asked).greeting["ver"] == told

    def test_first_payloads(self) -> None:
        """What is there already comes with the first response."""
        client = Client()
        assert client.greeting["payloads"] == ""
        request = body(rid=RID, hold=1, ver="1.6")
        session: BoshSession[int] = BoshSession(agree(request), RID, {}, 0)
        session.receive(request, 1, 0)
        assert session.take() is not None
        session.write([STANZA])
        session.release(0)
        ((_, reply),) = session.take_answers()
        assert STANZA in reply.body


class TestSection8Payloads:
    """8: requests wait for something to say."""

    def test_held_until_there_is_something(self) -> None:
        """A request is answered by the next payloads, all of them."""
        client = Client()
        ticket = client.ask(STANZA)
        assert client.taken == [STANZA]
        assert client.is_held(ticket)
        client.write(STANZA, STANZA)
        assert client.reply(ticket) == {"payloads": "message message"}
        assert client.session.queued_bytes == 0

    def test_held_no_longer_than_agreed(self) -> None:
        """At the end of the time the response is empty."""
        client = Client(wait=20)
        ticket = client.ask()
        client.sleep(19.9)
        assert client.is_held(ticket)
        client.sleep(0.1)
        assert client.reply(ticket) == EMPTY

    def test_no_more_held_than_agreed(self) -> None:
        """A new request frees the oldest."""
        client = Client(hold=2)
        first, second = client.ask(STANZA), client.ask(STANZA)
        assert client.is_held(first)
        third = client.ask(STANZA)
        assert client.reply(first)["payloads"] == ""
        assert client.is_held(second)
        assert client.is_held(third)

    def test_payloads_wait_for_a_request(self) -> None:
        """What is written while nobody asks comes with the next request, at once."""
        client = Client()
        client.write(STANZA)
        assert client.session.queued_bytes == len(STANZA)
        assert client.reply(client.ask())["payloads"] == "message"

    def test_greatest_response(self) -> None:
        """Payloads are shared out over responses; one that is too large on its own goes alone."""
        half = b"<message xmlns='jabber:client'>" + b"x" * (RESPONSE_BYTES_MAX // 2 - 41) + b"</message>"
        assert len(half) * 2 == RESPONSE_BYTES_MAX
        client = Client()
        client.write(half, half, STANZA, half + b" " * RESPONSE_BYTES_MAX)
        assert client.reply(client.ask(STANZA))["payloads"] == "message message"
        assert client.reply(client.ask(STANZA))["payloads"] == "message"
        assert client.reply(client.ask(STANZA))["payloads"] == "message"
        assert client.session.queued_bytes == 0

    def test_reading_stops(self) -> None:
        """What the stream cannot take waits, and is answered after it was taken."""
        client = Client()
        client.session.is_reading = False
        first = client.ask(STANZA)
        assert client.taken == []
        client.write(STANZA)
        client.sleep(INACTIVITY_S + 1)
        assert client.is_held(first)
        client.session.is_reading = True
        client.turn()
        assert client.taken == [STANZA]
        assert client.reply(first)["payloads"] == "message"


class TestSection91RequestAcknowledgements:
    """9.1: a response tells of requests beyond its own."""

    def test_ack(self) -> None:
        """Only where it is not the number that is answered; and only what came without a gap."""
        client = Client(hold=2)
        first = client.ask(STANZA)
        client.ask(STANZA)
        client.ask(STANZA, rid=RID + 4)
        client.write(STANZA)
        assert client.reply(first)["ack"] == str(RID + 2)


class TestSection10Inactivity:
    """10: a client that is silent is gone, unless it said so."""

    def test_silence(self) -> None:
        """Counted from the last response; nobody is told."""
        client = Client()
        ticket = client.ask()
        client.sleep(WAIT_S_MAX + INACTIVITY_S - 0.1)
        assert client.reply(ticket) == EMPTY
        assert not client.session.is_over
        client.sleep(0.1)
        assert client.session.is_over
        assert len(client.got) == 2

    def test_a_held_request_is_no_silence(self) -> None:
        """While one is held time does not count."""
        client = Client()
        for _ in range(3):
            client.ask()
            client.sleep(WAIT_S_MAX)
        assert not client.session.is_over

    def test_pause(self) -> None:
        """All requests come back empty, whatever waits, and silence may last longer."""
        client = Client()
        held = client.ask(STANZA)
        pause = client.ask(pause=PAUSE_S_MAX)
        assert client.reply(held)["payloads"] == client.reply(pause)["payloads"] == ""
        client.write(STANZA)
        client.sleep(PAUSE_S_MAX - 0.1)
        assert not client.session.is_over
        assert client.reply(client.ask())["payloads"] == "message"

    def test_no_payload_answers_a_pause(self) -> None:
        """What waits when the pause is asked for waits on."""
        client = Client()
        client.write(STANZA)
        assert client.reply(client.ask(pause=10))["payloads"] == ""
        assert client.reply(client.ask())["payloads"] == "message"

    def test_after_a_pause_all_is_as_before(self) -> None:
        """The next request sets the time back."""
        client = Client()
        client.ask(pause=PAUSE_S_MAX)
        client.sleep(60)
        client.write(STANZA)
        client.ask()
        client.sleep(INACTIVITY_S)
        assert client.session.is_over

    def test_shorter_pause(self) -> None:
        """A client may also ask to be given up sooner."""
        client = Client()
        client.ask(pause=5)
        client.sleep(5)
        assert client.session.is_over

    def test_longer_pause(self) -> None:
        """More than the server told is against the rules."""
        client = Client()
        assert client.reply(client.ask(pause=PAUSE_S_MAX + 1)) == ended("policy-violation")
        assert client.session.is_over


class TestSection11Overactivity:
    """11: too many requests, too often."""

    def test_too_many_at_once(self) -> None:
        """Beyond the number that was agreed the session ends; the others learn that it was another request."""
        client = Client(hold=2)
        held = client.ask(STANZA)
        client.ask(STANZA, rid=RID + 3)
        client.ask(STANZA, rid=RID + 4)
        assert client.reply(client.ask(STANZA)) == ended("policy-violation")
        assert client.reply(held) == ended("other-request")
        assert client.session.is_over

    @pytest.mark.parametrize("extra", [{"pause": 10}, {"type": "terminate"}])
    def test_one_more_to_leave(self, extra: dict[str, Any]) -> None:
        """Pause and end may come on top."""
        client = Client()
        client.ask(STANZA)
        client.ask(rid=RID + 3, **extra)
        client.ask(STANZA)
        assert not client.session.is_over
        assert len(client.taken) == 2

    def test_too_often(self) -> None:
        """An empty request has no reason to come while another is held, unless some time passed."""
        client = Client()
        held = client.ask()
        client.sleep(POLLING_S - 0.1)
        assert client.reply(client.ask()) == ended("policy-violation")
        assert client.reply(held) == ended("other-request")

    def test_not_too_often(self) -> None:
        """After the interval, or with something to say, it may."""
        client = Client()
        client.ask()
        client.sleep(POLLING_S)
        client.ask()
        client.ask(STANZA)
        client.ask(pause=3)
        assert not client.session.is_over


class TestSection12Polling:
    """12: a client that can make one request at a time."""

    @pytest.mark.parametrize("asked", [{"wait": 0}, {"hold": 0}])
    def test_answered_at_once(self, asked: dict[str, Any]) -> None:
        """Nothing is held, and silence may last longer."""
        client = Client(**asked)
        assert client.greeting["inactivity"] == str(POLLING_INACTIVITY_S)
        assert client.reply(client.ask()) == EMPTY
        client.sleep(POLLING_INACTIVITY_S - 0.1)
        assert not client.session.is_over
        client.sleep(0.1)
        assert client.session.is_over

    def test_too_often(self) -> None:
        """Two empty requests within the interval, the first of which got nothing."""
        client = Client(hold=0)
        client.ask()
        client.sleep(POLLING_S - 0.1)
        assert client.reply(client.ask()) == ended("policy-violation")

    def test_not_too_often(self) -> None:
        """After the interval, after payloads, or with payloads it may."""
        client = Client(hold=0)
        client.ask()
        client.sleep(POLLING_S)
        client.write(STANZA)
        assert client.reply(client.ask())["payloads"] == "message"
        assert client.reply(client.ask()) == EMPTY
        assert client.reply(client.ask(STANZA)) == EMPTY
        assert not client.session.is_over


class TestSection13Terminating:
    """13: the session ends, from either side."""

    def test_by_the_client(self) -> None:
        """Payloads are passed on, the oldest request is told, the other gets an empty response."""
        client = Client()
        held = client.ask()
        last = client.ask(STANZA, type="terminate")
        assert client.taken == [STANZA]
        assert client.reply(held)["payloads"] == ""  # freed by the new one
        client.session.end()
        client.collect()
        assert client.reply(last) == {"type": "terminate", "payloads": ""}
        assert client.session.is_over

    def test_the_oldest_is_told(self) -> None:
        """With what is left to say and the reason; the others get nothing."""
        client = Client(hold=2)
        first, second = client.ask(STANZA), client.ask(STANZA)
        client.session.write([STANZA])
        client.session.end("remote-stream-error")
        client.collect()
        assert client.reply(first) == {"type": "terminate", "condition": "remote-stream-error", "payloads": "message"}
        assert client.reply(second) == EMPTY

    def test_the_next_is_told(self) -> None:
        """Without a request the end waits for one, not longer than for any other."""
        client = Client()
        client.session.end("remote-stream-error")
        assert not client.session.is_over
        assert client.reply(client.ask(STANZA))["condition"] == "remote-stream-error"
        assert client.session.is_over
        assert client.taken == []
        other = Client()
        other.session.is_reading = False
        other.session.end()
        other.sleep(INACTIVITY_S)
        assert other.session.is_over

    def test_abort(self) -> None:
        """Nobody is left waiting."""
        client = Client()
        held = client.ask()
        client.session.abort()
        client.collect()
        assert client.reply(held) == ended("remote-connection-failed")


class TestSection142Order:
    """14.2: by request id, whatever comes first."""

    def test_out_of_order(self) -> None:
        """Payloads are passed on, and requests answered, in order."""
        client = Client()
        late = client.ask(b"<b/>", rid=RID + 2)
        assert client.taken == []
        assert client.is_held(late)
        first = client.ask(b"<a/>", rid=RID + 1)
        assert client.taken == [b"<a/>", b"<b/>"]
        assert client.reply(first) == {"ack": str(RID + 2), "payloads": ""}
        assert client.is_held(late)

    def test_window(self) -> None:
        """As wide as requests may be under way; beyond it the session ends."""
        client = Client()
        client.ask(rid=RID + 2)
        assert not client.session.is_over
        other = Client()
        assert other.reply(other.ask(rid=RID + 3)) == ended("item-not-found")
        assert other.session.is_over

    def test_gap(self) -> None:
        """One that never comes is silence like any other, and those behind it learn so."""
        client = Client()
        late = client.ask(rid=RID + 2)
        client.sleep(INACTIVITY_S - 0.1)
        assert client.is_held(late)
        client.sleep(0.1)
        assert client.reply(late) == ended("item-not-found")


class TestSection143BrokenConnections:
    """14.3: a client repeats what it got no answer to."""

    def test_repeat_of_what_was_answered(self) -> None:
        """It gets the same response; nothing is passed on twice."""
        client = Client()
        ticket = client.ask(STANZA)
        client.write(STANZA)
        again = client.ask(STANZA, rid=client.rid)
        assert client.got[again] == client.got[ticket]
        assert client.taken == [STANZA]

    def test_repeat_of_what_is_open(self) -> None:
        """The former is told to go, the new one gets the response."""
        client = Client()
        former = client.ask(STANZA)
        latter = client.ask(STANZA, rid=client.rid)
        assert client.reply(former) == {"type": "error", "payloads": ""}
        assert client.is_held(latter)
        client.write(STANZA)
        assert client.reply(latter) == {"payloads": "message"}
        assert client.taken == [STANZA]

    def test_how_many_are_kept(self) -> None:
        """As many as may be under way, and pauses beside them; older ones end the session."""
        client = Client()
        for _ in range(4):
            client.ask(STANZA)
            client.write(STANZA)
        assert client.reply(client.ask(rid=RID + 2))["payloads"] == "message"
        assert client.reply(client.ask(rid=RID + 1)) == ended("item-not-found")

    def test_a_request_nobody_waits_for(self) -> None:
        """Payloads are kept for the client's repeat; silence begins."""
        client = Client()
        lost = client.ask()
        client.session.leave(lost, client.now_ns)
        client.write(STANZA)
        client.sleep(INACTIVITY_S - 0.1)
        assert client.reply(client.ask(rid=client.rid))["payloads"] == "message"
        assert client.is_held(lost)

    def test_a_client_that_goes_on(self) -> None:
        """One that does not repeat gets payloads with its next request; the lost one has an empty response."""
        client = Client(hold=2)
        client.session.leave(client.ask(STANZA), client.now_ns)
        client.write(STANZA)
        assert client.reply(client.ask(STANZA))["payloads"] == "message"
        assert client.reply(client.ask(rid=RID + 1))["payloads"] == ""

    def test_a_lost_request_holds_up_nobody(self) -> None:
        """The next one waits no longer for that."""
        client = Client(hold=2, wait=20)
        client.session.leave(client.ask(STANZA), client.now_ns)
        ticket = client.ask(STANZA)
        client.sleep(20)
        assert client.reply(ticket) == EMPTY

    def test_too_many_repeats(self) -> None:
        """Repeats do not evade the limits on new requests."""
        client = Client()
        client.ask(STANZA)
        client.write(STANZA)
        for _ in range(REPEAT_COUNT_MAX):
            assert client.reply(client.ask(rid=client.rid))["payloads"] == "message"
        assert client.reply(client.ask(rid=client.rid)) == ended("policy-violation")


class TestSection16MultipleStreams:
    """16: not offered."""

    def test_another_stream(self) -> None:
        """There is none."""
        client = Client()
        assert client.reply(client.ask(stream="2")) == ended("item-not-found")


class TestSection171HttpConditions:
    """17.1: clients that told no version read HTTP status codes."""

    @pytest.mark.parametrize(
        ("request_attributes", "status"), [({"pause": "x"}, 400), ({"pause": 121}, 403), ({"rid": RID + 9}, 404)]
    )
    def test_legacy(self, request_attributes: dict[str, Any], status: int) -> None:
        """Each condition has its code; and no version is told."""
        client = Client(ver=None)
        assert "ver" not in client.greeting
        assert client.got[client.ask(**request_attributes)].status == status

    def test_others(self) -> None:
        """All others get 200."""
        client = Client()
        assert client.got[client.ask(rid=RID + 9)].status == 200
        assert failure("host-unknown", is_legacy=True).status == 200


class TestSection172TerminalBindingConditions:
    """17.2: an error that ends the session."""

    def test_form(self) -> None:
        """The type, the condition, and nothing else."""
        assert failure("bad-request").body == (
            b"<body xmlns='http://jabber.org/protocol/httpbind' type='terminate' condition='bad-request'/>"
        )

    def test_nonsense(self) -> None:
        """A request of a session whose attributes make no sense."""
        client = Client()
        assert client.reply(client.ask(rid="x", pause=3)) == ended("bad-request")  # type: ignore[arg-type]
