"""
Numbers and the business that they belong to.

    GET  /P               a number; `fields` chooses      GET  /W                the business
    GET  /P/settings      what can be set there           GET  /W/phone_numbers  its numbers, a page at a time
    POST /P/register      {"messaging_product", "pin"}: it may send
    POST /P/deregister    it may not, until it is registered again

A number is the operator's to give: it needs no verification, and any PIN of six digits registers it. Its name is the
operator's to change as well.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

import msgspec
import phonenumbers
from starlette.responses import Response

from raftline.base.timestamps import format_timestamp
from raftline.machine.business.commands import ChangeNumber
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.queries import AppNamed, Businesses, NumberNamed
from raftline.machine.business.tables import Number
from raftline.machine.business.values import AppView, BusinessView, NumberView
from raftline.web.cloud.access import MANAGEMENT
from raftline.web.cloud.addressing import NO_COUNTRY, country_of
from raftline.web.cloud.bodies import chosen, require_product
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.errors import graph_reply, unknown_object, wrong
from raftline.web.cloud.paging import listed, page_of
from raftline.web.replies import require_done

_PIN: Final = re.compile(r"[0-9]{6}", re.ASCII)
_STANDARD_PER_SECOND: Final = 80
_TIME_ZONE: Final = "0"


class RegisterBody(msgspec.Struct, frozen=True):
    """Body of a registration; the region where data is kept is where the operator's servers are."""

    pin: str | int
    messaging_product: str | None = None
    data_localization_region: str | None = None


async def show_number(call: Call) -> Response:
    """Tell of a number."""
    number = await fresh_number(call)
    return graph_reply(chosen(shown_number(number, await callbacks_of(call)), call.query.get("fields")))


async def list_numbers(call: Call) -> Response:
    """List the numbers of a business, a page at a time."""
    numbers = sorted((await fresh_business(call)).numbers, key=lambda number: number.number_id)
    callbacks = await callbacks_of(call)
    shown, paging = page_of(call, numbers, key=lambda number: graph_id(GraphKind.NUMBER, number.number_id))
    data = [chosen(shown_number(number, callbacks), call.query.get("fields")) for number in shown]
    return graph_reply(listed(data, paging))


async def show_business(call: Call) -> Response:
    """Tell of a business."""
    view = await fresh_business(call)
    business_id = graph_id(GraphKind.BUSINESS, view.business.business_id)
    about: dict[str, object] = {
        "id": business_id,
        "name": view.business.name,
        "timezone_id": _TIME_ZONE,
        "message_template_namespace": f"business_{business_id}",
        "status": "ACTIVE",
        "account_review_status": "APPROVED",
        "business_verification_status": "verified",
        "ownership_type": "SELF",
        "is_enabled_for_insights": False,
        "health_status": {"can_send_message": "AVAILABLE", "entities": []},
    }
    return graph_reply(chosen(about, call.query.get("fields")))


async def show_settings(call: Call) -> Response:
    """Tell what can be set of a number: nothing, so it is as it always is."""
    about: dict[str, object] = {"storage_configuration": {"status": "DEFAULT"}}
    return graph_reply(chosen(about, call.query.get("fields")))


async def register(call: Call) -> Response:
    """Let a number send."""
    body = await call.json(RegisterBody)
    require_product(body.messaging_product)
    if not _PIN.fullmatch(str(body.pin)):
        raise wrong("pin", "must be six digits")
    await _set_registered(call, is_registered=True)
    return graph_reply({"success": True})


async def deregister(call: Call) -> Response:
    """Let a number send no more."""
    await _set_registered(call, is_registered=False)
    return graph_reply({"success": True})


async def _set_registered(call: Call, *, is_registered: bool) -> None:
    action = ChangeNumber(call.number.number.number_id, call.actor, is_registered=is_registered)
    require_done(await call.node.execute(action, key=call.edge.entropy(16)))


async def fresh_number(call: Call) -> Number:
    """
    Return the number that the path names, as all that was acknowledged anywhere has it.

    Raises:
        GraphError: It was removed meanwhile.
        Unavailable: There is no quorum to ask.
    """
    await call.node.barrier()
    found = cast("NumberView | None", await call.node.ask(NumberNamed(call.number.number.number_id)))
    if found is None:
        raise unknown_object(call.parts[0])
    return found.number


async def fresh_business(call: Call) -> BusinessView:
    """Return the caller's business with all that belongs to it; errors as for `fresh_number`."""
    business_id = call.token.app.business_id
    await call.node.barrier()
    found = cast("list[BusinessView]", await call.node.ask(Businesses(business_id - 1, 1)))
    if not found or found[0].business.business_id != business_id:
        raise unknown_object(graph_id(GraphKind.BUSINESS, business_id))
    return found[0]


async def callbacks_of(call: Call) -> dict[str, str]:
    """Return where the caller's application is told of events, by scope (tables.Callback)."""
    view = cast("AppView | None", await call.node.ask(AppNamed(call.token.app.app_id)))
    return {} if view is None else {callback.scope: callback.url for callback in view.callbacks}


def shown_number(number: Number, callbacks: dict[str, str]) -> dict[str, object]:
    """Return all that is told of a number; `callbacks` are addresses by scope."""
    number_id = graph_id(GraphKind.NUMBER, number.number_id)
    is_connected = bool(number.is_registered)
    # A number without a limit is none of the higher tier: what reads the level would pace itself by it.
    level = "HIGH" if number.per_second > _STANDARD_PER_SECOND else "STANDARD"
    return {
        "id": number_id,
        "verified_name": number.verified_name,
        "display_phone_number": display_number(number.localpart),
        "status": "CONNECTED" if is_connected else "DISCONNECTED",
        "quality_rating": "GREEN",
        "quality_score": {"score": "GREEN"},
        "platform_type": "CLOUD_API" if is_connected else "NOT_APPLICABLE",
        "throughput": {"level": level},
        "code_verification_status": "VERIFIED",
        "name_status": "APPROVED",
        "account_mode": "LIVE",
        "is_official_business_account": False,
        "is_on_biz_app": False,
        "is_pin_enabled": False,
        "is_preverified_number": False,
        "health_status": {"can_send_message": "AVAILABLE" if is_connected else "BLOCKED", "entities": []},
        "last_onboarded_time": format_timestamp(number.created_ms),
        **_country(number.localpart),
        **_webhooks(number, callbacks),
    }


def display_number(digits: str) -> str:
    """Return a number as people write it, with its country (ITU-T E.123); only its digits where it is of none."""
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return f"+{digits}"
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _country(digits: str) -> dict[str, str]:
    country = country_of(digits)
    if country == NO_COUNTRY:
        return {}
    return {"country_code": country, "country_dial_code": str(phonenumbers.country_code_for_region(country))}


def _webhooks(number: Number, callbacks: dict[str, str]) -> dict[str, Any]:
    scopes = {
        "phone_number": graph_id(GraphKind.NUMBER, number.number_id),
        "whatsapp_business_account": graph_id(GraphKind.BUSINESS, number.business_id),
        "application": "app",
    }
    found = {name: callbacks[scope] for name, scope in scopes.items() if callbacks.get(scope)}
    return {"webhook_configuration": found} if found else {}


ENDPOINTS: Final = (
    Endpoint("GET", Subject.NUMBER, (), show_number, MANAGEMENT),
    Endpoint("GET", Subject.NUMBER, ("settings",), show_settings, MANAGEMENT),
    Endpoint("POST", Subject.NUMBER, ("register",), register, MANAGEMENT),
    Endpoint("POST", Subject.NUMBER, ("deregister",), deregister, MANAGEMENT),
    Endpoint("GET", Subject.BUSINESS, (), show_business, MANAGEMENT),
    Endpoint("GET", Subject.BUSINESS, ("phone_numbers",), list_numbers, MANAGEMENT),
)
"""What this file serves."""
