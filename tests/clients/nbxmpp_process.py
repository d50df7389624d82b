"""
nbxmpp, the library under Gajim, in a process of its own: it runs on GLib, which Debian builds for its own Python alone.

Reads one JSON object a line from standard input, `{"id": 1, "call": "say", "arguments": [...]}`, and writes one to
standard output for each, `{"id": 1, "result": ...}` or `{"id": 1, "error": "..."}`, besides events, `{"event": "...",
...}`. The process ends with its standard input. `nbxmpp_device.py` holds the other end.

What is here is what a program on top of the library does: it turns carbons on, connects again after a while when the
connection broke, and shows the messages that the library hands over.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gi

gi.require_version("Soup", "3.0")
from gi.repository import Gio, GLib, Soup  # noqa: E402
from nbxmpp.client import Client  # noqa: E402
from nbxmpp.const import ConnectionProtocol, ConnectionType  # noqa: E402
from nbxmpp.modules.user_avatar import Avatar  # noqa: E402
from nbxmpp.modules.vcard_temp import VCard  # noqa: E402
from nbxmpp.namespaces import Namespace  # noqa: E402
from nbxmpp.protocol import JID, Iq, Message  # noqa: E402
from nbxmpp.structs import StanzaHandler  # noqa: E402

RECONNECT_PAUSE_MS = 300
FILE_TYPE = "application/octet-stream"
KINDS = {
    "STARTTLS": (ConnectionProtocol.TCP, ConnectionType.START_TLS),
    "direct TLS": (ConnectionProtocol.TCP, ConnectionType.DIRECT_TLS),
    "WebSocket": (ConnectionProtocol.WEBSOCKET, ConnectionType.PLAIN),
}


def write(line: dict[str, Any]) -> None:
    """Tell the test something."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Asked(NamedTuple):
    """A request that was sent to the server, and how to read what comes of it."""

    task: Any
    read: Callable[[Any], Any] = lambda _: None


class Person:
    """Who sits in front of the library."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._is_leaving = False
        self._was_online = False
        self._archive: list[dict[str, str]] = []
        self._http = Soup.Session()

    # -- connection

    def sign_in(self, username: str, domain: str, password: str, address: str, kind: str) -> None:
        """Connect; the event `online` says when it is done."""
        if self._client is not None:
            self._client.destroy()
        client = Client(log_context=username)
        client.set_domain(domain)
        client.set_username(username)
        client.set_password(password)
        client.set_custom_host(address, *KINDS[kind])
        for signal, callback in (
            ("connected", self._on_connected),
            ("resume-successful", lambda *_: self._came_back("resumes")),
            ("disconnected", self._on_disconnected),
            ("connection-failed", self._on_disconnected),
        ):
            client.subscribe(signal, callback)
        client.register_handler(StanzaHandler(name="message", callback=self._on_message, priority=50))
        client.register_handler(StanzaHandler(name="presence", callback=self._on_presence, priority=50))
        client.register_handler(
            StanzaHandler(name="iq", callback=self._on_roster_push, typ="set", ns=Namespace.ROSTER, priority=50)
        )
        self._client = client
        self._is_leaving = False
        self._was_online = False
        client.connect()

    def sign_out(self) -> None:
        """End the stream in order; the event `offline` says when it is done."""
        self._is_leaving = True
        self._connected.disconnect()

    @property
    def _connected(self) -> Client:
        assert self._client is not None, "sign in first"
        return self._client

    def _on_connected(self, client: Client, _signal: str) -> None:
        carbons = Iq("set")
        carbons.addChild("enable", namespace=Namespace.CARBONS)
        client.send_stanza(carbons)
        client.get_module("Roster").request_roster(callback=self._on_roster)

    def _on_roster(self, task: Any) -> None:
        for item in task.finish().items or ():
            write({"event": "contact", "jid": str(item.jid), "subscription": item.subscription})
        self._connected.get_module("BasePresence").send()
        self._came_back("signs in again")

    def _came_back(self, how: str) -> None:
        write({"event": "online", "how": how if self._was_online else ""})
        self._was_online = True

    def _on_disconnected(self, client: Client, signal: str) -> None:
        write({"event": "offline", "why": f"{signal}: {client.get_error()}"})
        if not self._is_leaving:
            GLib.timeout_add(RECONNECT_PAUSE_MS, self._reconnect)

    def _reconnect(self) -> bool:
        self._connected.connect()
        return GLib.SOURCE_REMOVE

    # -- what comes in

    def _on_message(self, _client: Client, stanza: Any, properties: Any) -> None:
        if properties.body is None or properties.type.is_error:
            return
        found = {
            "jid": str(properties.remote_jid),
            "id": properties.mam.id if properties.is_mam_message else stanza_id(properties),
            "text": properties.body,
        }
        if properties.is_mam_message:
            self._archive.append(found)
        else:
            write({"event": "message", **found})

    def _on_presence(self, client: Client, stanza: Any, properties: Any) -> None:
        if properties.type.is_subscribe:
            client.get_module("BasePresence").subscribed(properties.jid.new_as_bare())
        elif properties.type.is_available or properties.type.is_unavailable:
            write({"event": "presence", "jid": str(properties.jid), "is_available": properties.type.is_available})

    def _on_roster_push(self, _client: Client, _stanza: Any, properties: Any) -> None:
        item = properties.roster.item
        write({"event": "contact", "jid": str(item.jid), "subscription": item.subscription})

    # -- what is asked for

    def subscribe(self, jid: str) -> None:
        """Ask to see somebody's presence."""
        self._connected.get_module("BasePresence").subscribe(JID.from_string(jid))

    def say(self, jid: str, text: str) -> str:
        """Write a message. Returns its id."""
        return self._connected.send_stanza(Message(to=jid, body=text, typ="chat"))

    def join_room(self, room: str, nick: str) -> None:
        """Enter a room."""
        self._connected.get_module("BasePresence").send(jid=JID.from_string(f"{room}/{nick}"), muc=True)

    def say_in_room(self, room: str, text: str) -> None:
        """Write a message to a room."""
        self._connected.send_stanza(Message(to=room, body=text, typ="groupchat"))

    def history(self, jid: str) -> Asked:
        """Ask the archive for a conversation."""
        self._archive.clear()
        own = self._connected.get_bound_jid().new_as_bare()
        task = self._connected.get_module("MAM").make_query(own, queryid="history", with_=jid)
        return Asked(task, lambda _: self._archive)

    def block(self, jid: str) -> Asked:
        """Block somebody."""
        return Asked(self._connected.get_module("Blocking").block([JID.from_string(jid)]))

    def unblock(self, jid: str) -> Asked:
        """Let somebody through again."""
        return Asked(self._connected.get_module("Blocking").unblock([JID.from_string(jid)]))

    def blocked(self) -> Asked:
        """Ask who is blocked."""
        task = self._connected.get_module("Blocking").request_blocking_list()
        return Asked(task, lambda jids: [str(jid) for jid in jids])

    def hosts(self, domain: str) -> Asked:
        """Ask a server for the services beside it."""
        task = self._connected.get_module("Discovery").disco_items(domain)
        return Asked(task, lambda found: [str(item.jid) for item in found.items])

    def takes_files(self, host: str) -> Asked:
        """Ask a service whether files can be put there."""
        task = self._connected.get_module("Discovery").disco_info(JID.from_string(host))
        return Asked(task, lambda info: info.has_httpupload)

    def slot(self, host: str, file: str) -> Asked:
        """Ask for where a file can be put and read."""
        path = Path(file)
        task = self._connected.get_module("HTTPUpload").request_slot(
            JID.from_string(host), path.name, path.stat().st_size, FILE_TYPE
        )
        return Asked(task, lambda found: {"put": found.put_uri, "get": found.get_uri})

    def put(self, uri: str, file: str) -> Asked:
        """Put a file somewhere over HTTP, in one request and with its type and size, as Gajim does."""
        return Asked(Put(self._http, uri, Path(file).read_bytes()))

    def say_link(self, jid: str, link: str) -> None:
        """Write a message that is a link, and names it besides (XEP-0066)."""
        message = Message(to=jid, body=link, typ="chat")
        message.setOOB(link)
        self._connected.send_stanza(message)

    def publish_avatar(self, picture: str) -> Asked:
        """Publish a picture (PNG in base64)."""
        avatar = Avatar()
        avatar.add_image_source(base64.b64decode(picture), "image/png", 64, 64)
        return Asked(self._connected.get_module("UserAvatar").set_avatar(avatar))

    def avatar_of(self, jid: str, digest: str) -> Asked:
        """Read a picture (PNG in base64); empty if there is none."""
        task = self._connected.get_module("UserAvatar").request_avatar_data(digest, jid=JID.from_string(jid))
        return Asked(task, lambda found: base64.b64encode(found.data).decode() if found else "")

    def publish_name(self, name: str) -> Asked:
        """Publish a card with a full name."""
        return Asked(self._connected.get_module("VCardTemp").set_vcard(VCard({"FN": name})))

    def name_of(self, jid: str) -> Asked:
        """Read the full name on somebody's card."""
        task = self._connected.get_module("VCardTemp").request_vcard(JID.from_string(jid))
        return Asked(task, lambda card: card.data.get("FN", ""))


class Put:
    """A request over HTTP under way; it is asked for its end as the library's tasks are."""

    def __init__(self, session: Soup.Session, uri: str, content: bytes) -> None:
        self._session = session
        self._result: Any = None
        self._callback: Callable[[Put], None] = lambda _: None
        self._message = Soup.Message.new("PUT", uri)
        self._message.set_request_body_from_bytes(FILE_TYPE, GLib.Bytes.new(content))
        session.send_and_read_async(self._message, GLib.PRIORITY_DEFAULT, None, self._on_end)

    def add_done_callback(self, callback: Callable[[Put], None], *, weak: bool) -> None:
        """Have something called at the end."""
        assert not weak
        self._callback = callback

    def _on_end(self, _session: Soup.Session, result: Any) -> None:
        self._result = result
        self._callback(self)

    def finish(self) -> None:
        """Look at the answer; whatever is no success (RFC 9110 section 15.3) is an error."""
        self._session.send_and_read_finish(self._result)
        status = self._message.get_status()
        if not 200 <= status < 300:
            raise RuntimeError(f"the server answered {int(status)} {self._message.get_reason_phrase()}")


def stanza_id(properties: Any) -> str:
    """The id under which the account's archive has a message, or the message's own."""
    return properties.stanza_ids[0].id if properties.stanza_ids else properties.id


class Calls:
    """Carries out what the test asks for, line by line."""

    def __init__(self, person: Person, loop: GLib.MainLoop) -> None:
        self._person = person
        self._loop = loop
        self._input = Gio.DataInputStream.new(Gio.UnixInputStream.new(sys.stdin.fileno(), False))
        self._read()

    def _read(self) -> None:
        self._input.read_line_async(GLib.PRIORITY_DEFAULT, None, self._on_line)

    def _on_line(self, stream: Any, result: Any) -> None:
        line, _ = stream.read_line_finish_utf8(result)
        if line is None:
            self._loop.quit()
            return
        asked = json.loads(line)
        with answering(asked["id"]):
            found = getattr(self._person, asked["call"])(*asked["arguments"])
            if isinstance(found, Asked):
                found.task.add_done_callback(lambda task: self._finish(asked["id"], task, found.read), weak=False)
            else:
                write({"id": asked["id"], "result": found})
        self._read()

    @staticmethod
    def _finish(call_id: int, task: Any, read: Callable[[Any], Any]) -> None:
        with answering(call_id):
            write({"id": call_id, "result": read(task.finish())})


@contextlib.contextmanager
def answering(call_id: int) -> Iterator[None]:
    """Answer a call with the error that it ends in."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the other process raises it again
        write({"id": call_id, "error": f"{type(error).__name__}: {error}"})


def main() -> None:
    """Trust the authority named on the command line, and do as told."""
    database = Gio.TlsFileDatabase.new(sys.argv[1])
    Gio.TlsBackend.get_default().set_default_database(database)
    loop = GLib.MainLoop()
    Calls(Person(), loop)
    loop.run()


if __name__ == "__main__":
    main()
