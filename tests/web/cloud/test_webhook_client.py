"""The client of webhooks, and the challenge, against receivers at real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from raftline.base.business_limits import BUSINESS_CALLBACK_SIZE_MAX
from raftline.base.errors import Refused
from raftline.base.webhook_limits import WEBHOOK_ANSWER_BYTES_MAX
from raftline.web.cloud.webhooks import client as client_module
from raftline.web.cloud.webhooks.challenge import Challenge
from raftline.web.cloud.webhooks.client import NoAnswer, Unreachable, WebhookClient, check_url, is_allowed
from web.cloud.outbox import Receiver


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Somebody who listens."""
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[WebhookClient]:
    """A client that may call this machine."""
    client = WebhookClient()
    yield client
    await client.close()


def challenged(head: str) -> dict[str, str]:
    """Return the parameters of a request."""
    return {name: values[0] for name, values in parse_qs(urlsplit(head.split(" ")[1]).query).items()}


class TestAddresses:
    """Where webhooks may go."""

    @pytest.mark.parametrize(
        "url",
        ["http://a", "https://a.example/hook", "http://127.0.0.1:8080/x?y=z", "https://[2001:db8::1]:8443/"],
    )
    def test_good(self, url: str) -> None:
        """HTTP with or without TLS, to any host and port."""
        check_url(url)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "a.example/hook",
            "ftp://a.example/",
            "file:///etc/passwd",
            "http:///x",
            "http://a:b@c.example/",
            "http://a.example/#x",
            "http://a.example:0/",
            "http://a.example:99999/",
            "http://[::1/",
            "http://a.example/ x",
            "http://a.example/\r\nX: y",
            "http://ä.example/",
            "http://a/" + "x" * BUSINESS_CALLBACK_SIZE_MAX,
        ],
    )
    def test_bad(self, url: str) -> None:
        """Anything else is refused before somebody is asked."""
        with pytest.raises(ValueError, match=r"."):
            check_url(url)

    def test_the_longest(self) -> None:
        """An address may have as many bytes as are kept of it."""
        check_url("http://a/" + "x" * (BUSINESS_CALLBACK_SIZE_MAX - len("http://a/")))

    @pytest.mark.parametrize(
        ("address", "public", "private"),
        [
            ("93.184.216.34", True, True),
            ("127.0.0.1", False, True),
            ("10.1.2.3", False, True),
            ("::1", False, True),
            ("::ffff:10.1.2.3", False, True),
            ("169.254.169.254", False, False),
            ("::ffff:169.254.169.254", False, False),
            ("fe80::1%eth0", False, False),
            ("fd00:ec2::254", False, False),
            ("0.0.0.0", False, False),
            ("224.0.0.1", False, False),
            ("ff02::1", False, False),
        ],
    )
    def test_which_numbers(self, address: str, public: bool, private: bool) -> None:
        """Link-local addresses never, those of private networks where the operator lets them."""
        assert is_allowed(address, private=False) is public
        assert is_allowed(address, private=True) is private

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]"])
    async def test_private_networks_refused(self, receiver: Receiver, host: str) -> None:
        """However it is written, and whatever a name leads to, nobody is called there."""
        client = WebhookClient(private=False)
        with pytest.raises(Unreachable):
            await client.post(f"http://{host}:{receiver.port}/", {}, b"{}")
        await client.close()
        assert not receiver.connection_count


class TestPosts:
    """What comes of a POST."""

    async def test_connections_are_kept(self, client: WebhookClient, receiver: Receiver) -> None:
        """One after another they take one connection; redirects are answers like others."""
        receiver.status = lambda _count, body: int(body)
        assert [await client.post(receiver.url, {}, body) for body in (b"200", b"302", b"500")] == [200, 302, 500]
        assert receiver.connection_count == 1
        assert len(receiver.seen) == 3

    async def test_a_connection_that_was_closed_meanwhile(self, client: WebhookClient, receiver: Receiver) -> None:
        """The request is sent again at once on another one."""
        assert await client.post(receiver.url, {}, b"1") == 200
        await receiver.stop()
        await receiver.start()
        assert await client.post(receiver.url, {}, b"2") == 200

    async def test_nobody_there(self, client: WebhookClient, receiver: Receiver) -> None:
        """A port that nobody listens at."""
        await receiver.stop()
        with pytest.raises(Unreachable):
            await client.post(receiver.url, {}, b"{}")

    async def test_no_answer(self, client: WebhookClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is waited for so long and no longer."""
        monkeypatch.setattr(client_module, "WEBHOOK_TIMEOUT_S", 0.05)
        receiver.gate.clear()
        with pytest.raises(NoAnswer, match="in time"):
            await client.post(receiver.url, {}, b"{}")
        receiver.gate.set()

    async def test_nonsense(self, client: WebhookClient) -> None:
        """What speaks no HTTP has not answered."""

        async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-x\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        with pytest.raises(NoAnswer):
            await client.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, b"{}")
        server.close()

    @pytest.mark.parametrize(
        ("size", "connections"), [(WEBHOOK_ANSWER_BYTES_MAX, 1), (16 * WEBHOOK_ANSWER_BYTES_MAX, 2)]
    )
    async def test_long_answers(self, client: WebhookClient, receiver: Receiver, size: int, connections: int) -> None:
        """Of an answer that is too long the rest is not read: its connection is closed."""
        receiver.answer = lambda _head: b"x" * size
        assert [await client.post(receiver.url, {}, b"{}") for _ in range(2)] == [200, 200]
        assert receiver.connection_count == connections


class TestChallenge:
    """How an address shows that it wants to be told."""

    @pytest.fixture
    def challenge(self, client: WebhookClient) -> Challenge:
        """Draws zeros."""
        return Challenge(client, bytes)

    async def test_it_says_it_back(self, challenge: Challenge, receiver: Receiver) -> None:
        """The request has mode, token and a number; its answer is that number alone."""
        receiver.answer = lambda head: challenged(head)["hub.challenge"].encode()
        await challenge.verify(f"{receiver.url}?x=1", "Ü & t")
        asked = challenged(receiver.heads[0])
        assert asked == {
            "x": "1",
            "hub.mode": "subscribe",
            "hub.verify_token": "Ü & t",
            "hub.challenge": "1000000000",
        }
        assert receiver.heads[0].startswith("GET /webhook?")

    @pytest.mark.parametrize(
        ("status", "answer", "why"),
        [
            (403, b"Forbidden", "403"),
            (200, b"ok", "another text"),
            (200, b"1000000000\n", "another"),
            (302, b"", "302"),
        ],
    )
    async def test_it_does_not(
        self, challenge: Challenge, receiver: Receiver, status: int, answer: bytes, why: str
    ) -> None:
        """Any other answer refuses the callback, and says why."""
        receiver.status = lambda _count, _body: status
        receiver.answer = lambda _head: answer
        with pytest.raises(Refused, match=why) as refused:
            await challenge.verify(receiver.url, "t")
        assert refused.value.condition == "not-acceptable"

    async def test_nobody_there(self, challenge: Challenge, receiver: Receiver) -> None:
        """Nor does one that cannot be reached, or is no address."""
        await receiver.stop()
        with pytest.raises(Refused, match="cannot be reached"):
            await challenge.verify(receiver.url, "t")
        with pytest.raises(Refused, match="cannot be used"):
            await challenge.verify("ftp://a.example", "t")
