"""
How each public method of pywa's client is called, and the stage on which that is done.

Whatever a method needs to be there (a file, a template, a message that came) is made before it is called.
"""

from __future__ import annotations

import asyncio
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cached_property
from inspect import isasyncgen, isawaitable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pywa
import pywa_async
from pywa import types
from pywa.types import templates
from pywa.types.calls import SessionDescription
from pywa.types.flows import FlowCategory, FlowMetricGranularity, FlowMetricName
from pywa.types.groups import GroupJoinApprovalMode
from pywa.types.others import ProductsSection, SignupStatus

from raftline.base.ids import Epochs
from raftline.machine.business.ids import parse_group_id, wamid
from raftline.machine.outcomes import Done
from web.cloud.grouping import Person
from web.cloud.machine_door import ANN, BASE_URL, NUMBER, SECRET, TOKEN, CloudService

HERE: Final = "test"
PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(200)
CALLBACK: Final = "https://bot.example.org/webhook"
FLOW: Final = "1234567890"
_FILES: Final = urlsplit(BASE_URL).netloc


class Elsewhere(Exception):
    """A request went to a host that the base URL does not name; the argument is that host."""


class Transport(httpx.BaseTransport):
    """
    Carries requests of a client that waits into an application that does not, without a socket.

    Attributes:
        requests: Method and path of each, without the version.
    """

    def __init__(self, service: CloudService) -> None:
        self._service = service
        self.requests: list[tuple[str, str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._note(request)
        return asyncio.run(self._carry(request, request.read()))

    def _note(self, request: httpx.Request) -> None:
        if request.url.host not in {HERE, _FILES}:
            raise Elsewhere(request.url.host)
        path = request.url.path.removeprefix("/v26.0")
        self.requests.append((request.method, path))

    async def _carry(self, request: httpx.Request, content: bytes) -> httpx.Response:
        carried = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        transport = httpx.ASGITransport(self._service, raise_app_exceptions=True)
        response = await transport.handle_async_request(carried)
        body = b"".join([part async for part in response.stream])  # type: ignore[union-attr]
        return httpx.Response(response.status_code, headers=response.headers, content=body)


class AsyncTransport(Transport, httpx.AsyncBaseTransport):
    """The same for a client that does not wait."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._note(request)
        return await self._carry(request, await request.aread())


class Waiting:
    """The client for the event loop, which is waited for, so that it is called as the other one is."""

    def __init__(self, client: pywa_async.WhatsApp) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._client, name)
        if not callable(member):
            return member

        def call(*arguments: Any, **named: Any) -> Any:
            result = member(*arguments, **named)
            if isasyncgen(result):
                return asyncio.run(_collected(result))
            return asyncio.run(_awaited(result)) if isawaitable(result) else result

        return call


class Stage:
    """
    A service of its own, with pywa's client in front of it.

    Args:
        is_async: Take the client for the event loop.
    """

    def __init__(self, *, is_async: bool = False) -> None:
        self.service = CloudService(ANN, "ben")
        self.transport = AsyncTransport(self.service) if is_async else Transport(self.service)
        library, session = (pywa_async, httpx.AsyncClient) if is_async else (pywa, httpx.Client)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = library.WhatsApp(
                self.service.number_id,
                TOKEN,
                session=session(transport=self.transport),
                waba_id=self.service.business_id,
                app_id=self.service.app_id,
                app_secret=SECRET.hex(),
                business_portfolio_id=self.service.business_id,
                api_version=26.0,
            )
        client.api._session.base_url = f"http://{HERE}/v26.0"
        self.wa: Any = Waiting(client) if is_async else client

    def close(self) -> None:
        """Close what was opened."""
        self.service.door.machine.close()

    @cached_property
    def media(self) -> str:
        """Id of a picture that was uploaded."""
        return self.wa.upload_media(PNG, mime_type="image/png", filename="a.png").id

    @cached_property
    def audio(self) -> str:
        """Id of a sound that was uploaded."""
        return self.wa.upload_media(b"OggS", mime_type="audio/ogg; codecs=opus", filename="a.ogg").id

    @cached_property
    def sticker(self) -> str:
        """Id of a sticker that was uploaded."""
        return self.wa.upload_media(b"RIFF", mime_type="image/webp", filename="a.webp").id

    @cached_property
    def url(self) -> str:
        """Where the picture is read."""
        return self.wa.get_media_url(self.media).url

    @cached_property
    def received(self) -> str:
        """Id of a message that came."""
        return wamid(Epochs(1), self.service.door.arrive(ANN, NUMBER))

    @cached_property
    def template(self) -> str:
        """Id of a template."""
        return self.wa.create_template(template()).id

    @cached_property
    def group(self) -> str:
        """Id of a group that Ann is in."""
        self.wa.create_group(subject="Support")
        group_id: str = self.wa.get_groups()[0].id
        token = self.wa.get_group_invite_link(group_id).link.partition(";preauth=")[2]
        entered = Person(self.service, ANN).enter(_room_of(group_id), token)
        assert isinstance(entered.outcome, Done), entered.outcome
        return group_id

    @cached_property
    def guarded(self) -> str:
        """Id of a group that Ann asks to be let into."""
        self.wa.create_group(subject="Guarded", join_approval_mode=GroupJoinApprovalMode.APPROVAL_REQUIRED)
        group_id: str = self.wa.get_groups()[0].id
        asked = Person(self.service, ANN).ask(_room_of(group_id))
        assert isinstance(asked.outcome, Done), asked.outcome
        return group_id

    @cached_property
    def request(self) -> str:
        """Id of what she has asked."""
        return str(self.wa.get_group_join_requests(self.guarded)[0].id)

    @cached_property
    def in_group(self) -> str:
        """Id of a message in the group."""
        return self.wa.send_message(self.group, "hi").id


async def _collected(parts: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in parts]


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def _room_of(group_id: str) -> str:
    room = parse_group_id(group_id)
    assert room is not None, group_id
    return room


def template() -> templates.Template:
    """A template with a place."""
    return templates.Template(
        name="order_ready",
        language=templates.TemplateLanguage.ENGLISH_US,
        category=templates.TemplateCategory.UTILITY,
        components=[templates.BodyText("Hi {{1}}, it is ready.", "Ann")],
    )


def _download(stage: Stage) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = stage.wa.download_media(url=stage.url, path=Path(folder))
        assert (path.name, path.read_bytes()) == ("a.png", PNG)
    return path


def _send_template(stage: Stage) -> Any:
    assert stage.template
    language = templates.TemplateLanguage.ENGLISH_US
    return stage.wa.send_template(ANN, "order_ready", language, [templates.BodyText.params("Ann")])


def _upsert(stage: Stage) -> Any:
    return stage.wa.upsert_authentication_template(
        name="code",
        languages=[templates.TemplateLanguage.ENGLISH_US],
        otp_button=templates.CopyCodeOTPButton(text="Copy"),
    )


def _carousel(stage: Stage) -> Any:
    buttons = [types.Button(title="More", callback_data="more")]
    card = types.ImageCarouselCard(body="One", image="https://example.org/a.png", buttons=buttons)
    return stage.wa.send_carousel(ANN, body="Look", cards=[card, card])


def _sdp() -> SessionDescription:
    return SessionDescription(sdp_type="offer", sdp="v=0")


CALLS: Final[MappingProxyType[str, Callable[[Stage], Any]]] = MappingProxyType(
    {
        "accept_call": lambda on: on.wa.accept_call("call", _sdp()),
        "approve_group_join_requests": lambda on: on.wa.approve_group_join_requests(on.guarded, [on.request]),
        "archive_templates": lambda on: on.wa.archive_templates([on.template]),
        "block_users": lambda on: on.wa.block_users([ANN]),
        "compare_templates": lambda on: on.wa.compare_templates(on.template, on.template, start=1, end=2),
        "create_flow": lambda on: on.wa.create_flow("flow", [FlowCategory.OTHER]),
        "create_group": lambda on: on.wa.create_group(subject="Support"),
        "create_phone_number": lambda on: on.wa.create_phone_number(
            country_calling_code=1, phone_number="5550003333", verified_name="Shop"
        ),
        "create_qr_code": lambda on: on.wa.create_qr_code("Hi"),
        "create_signup": lambda on: on.wa.create_signup("Join", "Welcome", "https://example.org"),
        "create_template": lambda on: on.wa.create_template(template()),
        "delete_flow": lambda on: on.wa.delete_flow(FLOW),
        "delete_group": lambda on: on.wa.delete_group(on.group),
        "delete_media": lambda on: on.wa.delete_media(on.media),
        "delete_phone_callback_url": lambda on: on.wa.delete_phone_callback_url(),
        "delete_qr_code": lambda on: on.wa.delete_qr_code("CODE"),
        "delete_template": lambda on: on.template and on.wa.delete_template("order_ready"),
        "delete_username": lambda on: on.wa.delete_username(),
        "delete_waba_callback_url": lambda on: on.wa.delete_waba_callback_url(),
        "deprecate_flow": lambda on: on.wa.deprecate_flow(FLOW),
        "deregister_phone_number": lambda on: on.wa.deregister_phone_number(),
        "download_media": _download,
        "get_app_access_token": lambda on: on.wa.get_app_access_token(int(on.service.app_id), SECRET.hex()),
        "get_blocked_users": lambda on: on.wa.block_users([ANN]) and on.wa.get_blocked_users()[0],
        "get_business_account": lambda on: on.wa.get_business_account(),
        "get_business_phone_number": lambda on: on.wa.get_business_phone_number(),
        "get_business_phone_number_settings": lambda on: on.wa.get_business_phone_number_settings(),
        "get_business_phone_numbers": lambda on: on.wa.get_business_phone_numbers()[0],
        "get_business_profile": lambda on: on.wa.get_business_profile(),
        "get_call_permissions": lambda on: on.wa.get_call_permissions(ANN),
        "get_commerce_settings": lambda on: on.wa.get_commerce_settings(),
        "get_current_username": lambda on: on.wa.get_current_username(),
        "get_flow": lambda on: on.wa.get_flow(FLOW),
        "get_flow_assets": lambda on: on.wa.get_flow_assets(FLOW),
        "get_flow_metrics": lambda on: on.wa.get_flow_metrics(
            FLOW, FlowMetricName.ENDPOINT_REQUEST_COUNT, FlowMetricGranularity.DAY
        ),
        "get_flows": lambda on: on.wa.get_flows(),
        "get_group": lambda on: on.wa.get_group(on.group),
        "get_group_invite_link": lambda on: on.wa.get_group_invite_link(on.group),
        "get_group_join_requests": lambda on: on.wa.get_group_join_requests(on.guarded)[0],
        "get_groups": lambda on: on.wa.get_groups(),
        "get_media_bytes": lambda on: on.wa.get_media_bytes(on.url),
        "get_media_url": lambda on: on.wa.get_media_url(on.media),
        "get_owned_business_accounts": lambda on: on.wa.get_owned_business_accounts(),
        "get_qr_code": lambda on: on.wa.get_qr_code("CODE"),
        "get_qr_codes": lambda on: on.wa.get_qr_codes(),
        "get_reserved_usernames": lambda on: on.wa.get_reserved_usernames(),
        "get_shared_business_accounts": lambda on: on.wa.get_shared_business_accounts(),
        "get_signup": lambda on: on.wa.get_signup("1"),
        "get_signups": lambda on: on.wa.get_signups(),
        "get_template": lambda on: on.wa.get_template(on.template),
        "get_templates": lambda on: on.template and on.wa.get_templates()[0],
        "indicate_typing": lambda on: on.wa.indicate_typing(on.received),
        "initiate_call": lambda on: on.wa.initiate_call(ANN, _sdp()),
        "mark_message_as_read": lambda on: on.wa.mark_message_as_read(on.received),
        "migrate_flows": lambda on: on.wa.migrate_flows("1", ["flow"]),
        "migrate_templates": lambda on: on.wa.migrate_templates("1"),
        "override_phone_callback_url": lambda on: on.wa.override_phone_callback_url(CALLBACK, "verify"),
        "override_waba_callback_url": lambda on: on.wa.override_waba_callback_url(CALLBACK, "verify"),
        "pin_message": lambda on: on.wa.pin_message(on.group, on.in_group, expiration_days=7),
        "pre_accept_call": lambda on: on.wa.pre_accept_call("call", _sdp()),
        "publish_flow": lambda on: on.wa.publish_flow(FLOW),
        "register_phone_number": lambda on: on.wa.register_phone_number("123456"),
        "reject_call": lambda on: on.wa.reject_call("call"),
        "reject_group_join_requests": lambda on: on.wa.reject_group_join_requests(on.guarded, [on.request]),
        "remove_group_participants": lambda on: on.wa.remove_group_participants(on.group, [ANN]),
        "remove_reaction": lambda on: on.wa.remove_reaction(ANN, on.received),
        "request_contact_info": lambda on: on.wa.request_contact_info(ANN, "Who are you?"),
        "request_location": lambda on: on.wa.request_location(ANN, "Where are you?"),
        "request_verification_code": lambda on: on.wa.request_verification_code(code_method="SMS", language_code="en"),
        "reset_group_invite_link": lambda on: on.wa.reset_group_invite_link(on.group),
        "send_audio": lambda on: on.wa.send_audio(ANN, on.audio),
        "send_carousel": _carousel,
        "send_catalog": lambda on: on.wa.send_catalog(ANN, "Our catalog"),
        "send_contact": lambda on: on.wa.send_contact(
            ANN, types.Contact(name=types.Contact.Name(formatted_name="Ben", first_name="Ben"))
        ),
        "send_document": lambda on: on.wa.send_document(ANN, on.media, filename="a.png", caption="A file"),
        "send_image": lambda on: on.wa.send_image(ANN, on.media, caption="A picture"),
        "send_location": lambda on: on.wa.send_location(ANN, 48.2, 16.4, "Vienna", "Stephansplatz"),
        "send_message": lambda on: on.wa.send_message(ANN, "Hi", buttons=[types.Button("Yes", "yes")]),
        "send_product": lambda on: on.wa.send_product(ANN, "1", "SKU"),
        "send_products": lambda on: on.wa.send_products(ANN, "1", [ProductsSection("All", ["SKU"])], "Title", "Body"),
        "send_reaction": lambda on: on.wa.send_reaction(ANN, "👍", on.received),
        "send_sticker": lambda on: on.wa.send_sticker(ANN, on.sticker),
        "send_template": _send_template,
        "send_text": lambda on: on.wa.send_text(ANN, "Hi"),
        "send_video": lambda on: on.wa.send_video(ANN, b"film", mime_type="video/mp4"),
        "send_voice": lambda on: on.wa.send_voice(ANN, on.audio),
        "set_app_callback_url": lambda on: on.wa.set_app_callback_url(
            int(on.service.app_id), TOKEN, CALLBACK, "verify", ["messages"]
        ),
        "set_business_public_key": lambda on: on.wa.set_business_public_key("-----BEGIN PUBLIC KEY-----"),
        "set_username": lambda on: on.wa.set_username("shop"),
        "stream_media": lambda on: b"".join(on.wa.stream_media(on.url)),
        "terminate_call": lambda on: on.wa.terminate_call("call"),
        "unarchive_templates": lambda on: on.wa.unarchive_templates([on.template]),
        "unblock_users": lambda on: on.wa.unblock_users([ANN]),
        "unpause_template": lambda on: on.wa.unpause_template(on.template),
        "unpin_message": lambda on: on.wa.unpin_message(on.group, on.in_group),
        "update_business_account_settings": lambda on: on.wa.update_business_account_settings(
            disable_marketing_messages_on_cloud_api=True
        ),
        "update_business_phone_number_settings": lambda on: on.wa.update_business_phone_number_settings(),
        "update_business_profile": lambda on: on.wa.update_business_profile(about="Pizza", profile_picture=PNG),
        "update_commerce_settings": lambda on: on.wa.update_commerce_settings(is_cart_enabled=True),
        "update_conversational_automation": lambda on: on.wa.update_conversational_automation(["Hi"]),
        "update_display_name": lambda on: on.wa.update_display_name("Best Shop"),
        "update_flow_json": lambda on: on.wa.update_flow_json(FLOW, {"version": "5.0", "screens": []}),
        "update_flow_metadata": lambda on: on.wa.update_flow_metadata(FLOW, name="flow"),
        "update_group_settings": lambda on: on.wa.update_group_settings(on.group, subject="Help", profile_picture=None),
        "update_qr_code": lambda on: on.wa.update_qr_code("CODE", "Hi"),
        "update_signup": lambda on: on.wa.update_signup("1", status=SignupStatus.DISABLED),
        "update_template": lambda on: on.wa.update_template(
            on.template, new_components=[templates.BodyText("Hello {{1}}", "Ann")]
        ),
        "upload_media": lambda on: on.wa.upload_media(PNG, mime_type="image/png", filename="a.png"),
        "upsert_authentication_template": _upsert,
        "verify_phone_number": lambda on: on.wa.verify_phone_number("123456"),
    }
)
"""Each of them; what makes no request is not named."""
