"""
Clients that encrypt from end to end (XEP-0384): slixmpp with slixmpp-omemo, as its users have it.

A `Device` is what stays of a client when it goes offline: its keys and sessions, which `OmemoClient` works with.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any, NamedTuple

import slixmpp
from omemo import Just, Maybe, MessageNotForUs, Nothing, Storage
from omemo.types import JSONType
from slixmpp.plugins import register_plugin
from slixmpp_omemo import XEP_0384

from integration.cluster_process import wait_until
from integration.xmpp_client import CONNECT_TIMEOUT_S, Client

PLUGINS = ("xep_0004", "xep_0060", "xep_0115", "xep_0163", "xep_0280", "xep_0334")
OMEMO_TIMEOUT_S = 30.0


class MemoryStorage(Storage):
    """
    Keys and sessions of one device.

    Attributes:
        seen: Ids of messages it has decrypted, which it cannot again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self._kept: dict[str, JSONType] = {}

    async def _load(self, key: str) -> Maybe[JSONType]:
        return Just(self._kept[key]) if key in self._kept else Nothing()

    async def _store(self, key: str, value: JSONType) -> None:
        self._kept[key] = value

    async def _delete(self, key: str) -> None:
        self._kept.pop(key, None)


class Omemo(XEP_0384):
    """The plugin, which trusts whom it meets first."""

    default_config = {"fallback_message": "this is encrypted", "device": None}  # noqa: RUF012 - the library's form

    @property
    def storage(self) -> Storage:
        """See the base class."""
        return self.device.storage

    @property
    def _btbv_enabled(self) -> bool:
        return True

    async def _devices_blindly_trusted(self, blindly_trusted: Any, identifier: str | None) -> None:
        """Take it as it is."""

    async def _prompt_manual_trust(self, manually_trusted: Any, identifier: str | None) -> None:
        raise AssertionError(f"nobody is to be asked about {manually_trusted}")


Omemo.name = "xep_0384"
register_plugin(Omemo)


class Device(NamedTuple):
    """A device of an account, online or not."""

    account: str
    resource: str
    storage: MemoryStorage


class OmemoClient(Client):
    """
    A device that is online.

    Attributes:
        read: What it has decrypted, live and of copies, with the account that wrote it.
        failures: What it could not decrypt, and why.
    """

    def __init__(self, device: Device, password: str) -> None:
        super().__init__(device.account, password)
        # Before the plugins come, which note under this address what they announce.
        self.requested_jid = slixmpp.JID(f"{device.account}@localhost/{device.resource}")
        self.boundjid = slixmpp.JID(self.requested_jid)
        for name in PLUGINS:
            self.register_plugin(name)
        self.register_plugin("xep_0384", {"device": device}, module=sys.modules[__name__])
        self.device = device
        self.read: list[tuple[str, str]] = []
        self.failures: list[str] = []
        self.add_event_handler("message", self._on_encrypted)
        self.add_event_handler("carbon_received", self._on_copy)
        self.add_event_handler("carbon_sent", self._on_copy)

    @property
    def omemo(self) -> Omemo:
        """The plugin."""
        return self.plugin["xep_0384"]

    async def arrive(self, port: int) -> None:
        """Log in, have keys published, and ask for copies of what other devices write and get."""
        initialized = asyncio.Event()
        self.add_event_handler("omemo_initialized", lambda _: initialized.set())
        await self.log_in(port)
        async with asyncio.timeout(OMEMO_TIMEOUT_S):
            await initialized.wait()
        await self.plugin["xep_0115"].update_caps()  # says that it wants to hear of device lists
        await self.plugin["xep_0280"].enable()

    async def device_ids(self, jid: str) -> set[int]:
        """Return the devices that an account announces, as this one knows."""
        manager = await self.omemo.get_session_manager()
        return {found.device_id for found in await manager.get_device_information(jid)}

    async def own_device_id(self) -> int:
        """Return the number of this device."""
        manager = await self.omemo.get_session_manager()
        own, _others = await manager.get_own_device_information()
        return own.device_id

    async def write_secretly(self, to: str, text: str) -> None:
        """Encrypt for all devices of a contact and all of our own, and send."""
        plain = self.make_message(mto=to, mbody=text, mtype="chat")
        encrypted, errors = await self.omemo.encrypt_message(plain, slixmpp.JID(to))
        assert encrypted is not None
        assert not errors, errors
        encrypted.send()

    async def decrypt(self, message: slixmpp.Message) -> str:
        """Return the text of an encrypted message, which can be had once."""
        self.device.storage.seen.add(message["id"])
        plain, _device = await self.omemo.decrypt_message(message)
        return plain["body"]

    async def wait_read(self, sender: str, text: str) -> None:
        """Wait until it has read a text."""

        async def probe() -> bool:
            assert not self.failures, self.failures
            return (sender, text) in self.read

        await wait_until(f"{self.boundjid} reads {text!r}", probe, CONNECT_TIMEOUT_S, interval_s=0.02)

    async def read_archive(self) -> list[tuple[str, str]]:
        """Decrypt what the archive has and this device has not read yet."""
        found = []
        async for stanza in self.plugin["xep_0313"].iterate(rsm={"max": 10}):
            message = stanza["mam_result"]["forwarded"]["stanza"]
            if self.omemo.is_encrypted(message) and message["id"] not in self.device.storage.seen:
                with contextlib.suppress(MessageNotForUs):
                    found.append((message["from"].bare, await self.decrypt(message)))
        return found

    async def _on_copy(self, copy: slixmpp.Message) -> None:
        direction = "carbon_sent" if copy.get_plugin("carbon_sent", check=True) else "carbon_received"
        await self._on_encrypted(copy[direction])

    async def _on_encrypted(self, message: slixmpp.Message) -> None:
        if not self.omemo.is_encrypted(message):
            return
        try:
            self.read.append((message["from"].bare, await self.decrypt(message)))
        except MessageNotForUs:
            pass  # by messages without content two devices agree on keys, and the others see them
        except Exception as error:  # noqa: BLE001  # of whatever kind, the test is to fail by it
            self.failures.append(f"{type(error).__name__}: {error}")
