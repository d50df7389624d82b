"""The generator's protocol handling: reads cut anywhere, counts, SCRAM."""

from __future__ import annotations

import base64

import pytest
import scramp
from hypothesis import given
from hypothesis import strategies as st

from bench.generator.acknowledgements import REQUEST, AcknowledgedSender, StanzaCounter
from bench.generator.chat import MARK, MessageText, Pair, message_numbers
from bench.generator.crowd import Comer, Crowd
from bench.generator.history import Reader
from bench.generator.meter import Meter
from bench.generator.rooms import NUMBERS_PER_SPEAKER, Listener, Speaker
from bench.generator.scram import KeyCache, ScramError, ScramExchange
from bench.generator.stream import Stream
from bench.task import Timed


class FakeTransport:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


def stream() -> tuple[Stream, FakeTransport]:
    made, transport = Stream("localhost"), FakeTransport()
    made.connection_made(transport)  # type: ignore[arg-type]
    return made, transport


def idle_meter() -> Meter:
    meter = Meter(Timed(server_pids=()))
    meter.is_on = True
    return meter


def test_a_message_has_the_body_size_asked_for_and_its_number() -> None:
    """The body is exactly as long as said, whatever the number."""
    stanza = MessageText("b@localhost", 200).stanza(1234567)
    body = stanza.partition(b"<body>")[2].partition(b"</body>")[0]
    assert len(body) == 200
    assert message_numbers(stanza) == [1234567]


@given(st.lists(st.integers(0, 10**10 - 1), max_size=6), st.data())
def test_numbers_are_found_however_the_bytes_are_cut(numbers: list[int], data: st.DataObject) -> None:
    """Any chunking of what arrives yields the same numbers, in order, each once."""
    text = MessageText("b@localhost", 60)
    # A server adds attributes and elements of its own around the body.
    arriving = b"".join(text.stanza(n).replace(b"<body>", b"<x a='>'/><body>") for n in numbers)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arriving)), max_size=8)))
    receiver, _ = stream()
    found: list[int] = []
    receiver.take_traffic(lambda block: found.extend(message_numbers(block)))
    for start, end in zip([0, *cuts], [*cuts, len(arriving)], strict=True):
        receiver.data_received(arriving[start:end])
    assert found == numbers


def test_what_another_process_left_behind_is_not_counted() -> None:
    """The mark is another for each process."""
    stanza = MessageText("b@localhost", 60).stanza(1)
    assert message_numbers(stanza.replace(MARK, b"#00000000:" if MARK != b"#00000000:" else b"#11111111:")) == []


def test_the_receiver_answers_requests_with_the_count_at_their_place() -> None:
    """Stanzas after the request are not acknowledged by its answer (XEP-0198 section 4)."""
    made, transport = stream()
    counter = StanzaCounter(made)
    counter.take(b"<message from='a'><body>x</body></message><presence/><r xmlns='urn:xmpp:sm:3'/><iq id='1'/>")
    counter.take(b"<r/>")
    counter.take(b"<a xmlns='urn:xmpp:sm:3' h='1'/><message ><result/></message>")
    answers = [b"<a xmlns='urn:xmpp:sm:3' h='2'/>", b"<a xmlns='urn:xmpp:sm:3' h='3'/>"]
    assert transport.written == answers
    counter.answer()
    assert transport.written[-1] == b"<a xmlns='urn:xmpp:sm:3' h='4'/>"


def test_a_sender_goes_on_only_when_its_message_is_covered() -> None:
    """An answer with too low a count is no acknowledgement; a later one is."""
    made, transport = stream()
    meter = idle_meter()
    sender = AcknowledgedSender(Pair(made, made, MessageText("b@localhost", 60)), meter)
    sender.send()
    assert transport.written[0].endswith(REQUEST)
    sender.take(b'<a xmlns="urn:xmpp:sm:3" h="0"/>')
    assert len(transport.written) == 1
    sender.take(b"<a h='1' xmlns='urn:xmpp:sm:3'/>")
    assert len(transport.written) == 2
    sender.is_sending = False
    sender.take(b"<a xmlns='urn:xmpp:sm:3' h='2'/>")
    assert len(transport.written) == 2
    assert not sender.is_waiting


def test_a_page_that_is_too_short_is_a_failure() -> None:
    """A server that answers with fewer rows than asked for is not fast, it is wrong."""
    made, transport = stream()
    reader = Reader(made, 2, idle_meter())
    reader.ask()
    reader.take(b"<message><result id='1'/></message>")
    reader.take(b"<message><result id='2'/></message><iq type='result' id='page1'><fin/></iq>")
    assert len(transport.written) == 2
    assert not reader.failure
    reader.take(b"<message><result id='1'/></message><iq type='result' id='page2'><fin/></iq>")
    assert "wanted 2 rows, got 1" in reader.failure


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_scram_against_another_implementation(mechanism: str) -> None:
    """A server of another library accepts the exchange, and its proof is accepted; a wrong one is not."""
    server_mechanism = scramp.ScramMechanism(mechanism)
    info = server_mechanism.make_auth_info("secret", iteration_count=4096)
    cache = KeyCache()
    for _ in range(2):
        server = server_mechanism.make_server(lambda _user: info)
        client = ScramExchange(mechanism, "user", "secret", cache)
        server.set_client_first(client.first().decode())
        server.set_client_final(client.final(server.get_server_first().encode()).decode())
        client.verify(server.get_server_final().encode())
        with pytest.raises(ScramError, match="signature"):
            client.verify(b"v=" + base64.b64encode(b"x" * 20))


def test_scram_refuses_a_foreign_nonce() -> None:
    """An answer to another exchange is refused."""
    with pytest.raises(ScramError, match="nonce"):
        ScramExchange("SCRAM-SHA-1", "user", "secret", KeyCache()).final(b"r=other,s=AAAA,i=4096")


def test_a_room_counts_each_copy_once_and_speaks_when_its_own_came_back() -> None:
    """A copy that comes again or out of order is told apart; only the speaker's own copy lets the next one go."""
    made, transport = stream()
    speakers = [Speaker(0, made, "room@localhost", 60), Speaker(1, made, "room@localhost", 60)]
    first, second = Listener(0, speakers, idle_meter()), Listener(1, speakers, idle_meter())
    for speaker in speakers:
        speaker.speak()
    one, two = transport.written
    assert message_numbers(one + two) == [0, NUMBERS_PER_SPEAKER]
    first.take(one + two)
    assert (first.count, len(transport.written)) == (2, 3)
    first.take(transport.written[2] + one + transport.written[2])
    assert (first.count, first.doubled, first.reordered) == (3, 1, 1)
    second.is_speaking = False
    second.take(two)
    assert (second.count, len(transport.written)) == (1, 4)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_who_comes_and_goes_waits_for_its_own(size: int) -> None:
    """Presences of others count and change nothing, however what arrives is cut; the last coming in ends it."""
    made, transport = stream()
    meter = idle_meter()
    crowd = Crowd(meter)
    comer = Comer(made, "r@c/me", meter, crowd)
    other = b"<presence from='r@c/you' type='unavailable'><x><status code='307'/></x></presence>"
    left = b"<presence from='r@c/me' type='unavailable'><x><status code='110'/></x></presence>"
    come = b"<presence from='r@c/me'><x><status code='110'/></x></presence>"
    subject = b"<message type='groupchat'><subject/></message>"

    def arrive(data: bytes) -> None:
        for start in range(0, len(data), size):
            made.data_received(data[start : start + size])

    made.take_traffic(comer.take)
    comer.leave()
    arrive(other + left + other)
    assert [b"unavailable" in one for one in transport.written] == [True, False]
    arrive(other + come + subject)
    assert [b"unavailable" in one for one in transport.written] == [True, False, True]
    comer.is_staying = True
    arrive(left + come + subject)
    assert len(transport.written) == 4
    assert comer.done.is_set()
    assert crowd.presence_count == 7
