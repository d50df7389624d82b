"""
Where an application is told of events: for all that its business has, for the business, or for one number.

    POST   /A/subscriptions    all in the query: object, callback_url, verify_token, fields
    GET    /A/subscriptions    {"data": [{"object", "callback_url", "active", "fields"}]}
    DELETE /A/subscriptions    ?object=…&fields=…; all fields when none is named
    POST   /W/subscribed_apps  {"override_callback_uri", "verify_token"}; without a body the override goes
    GET    /W/subscribed_apps  {"data": [{"whatsapp_business_api_data": {"id", "name", "link"},
                               "override_callback_uri"?}]}
    DELETE /W/subscribed_apps  the override goes
    POST   /P                  {"webhook_configuration": {"override_callback_uri", "verify_token"}}; empty: it goes

An address is asked first whether it wants to be told (the challenge); it is set when it says so, and stays as it was
otherwise. The narrowest scope counts (tables.Callback).
"""

from __future__ import annotations

import re
from typing import Final, cast

import msgspec
from starlette.responses import Response

from raftline.base.business_limits import BUSINESS_CALLBACK_SIZE_MAX
from raftline.machine.business.commands import SetCallback
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.queries import AppNamed
from raftline.machine.business.tables import Callback
from raftline.machine.business.values import AppView
from raftline.web.cloud.access import MANAGEMENT
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.errors import Code, GraphError, graph_reply, missing, unknown_object, wrong
from raftline.web.cloud.numbers import fresh_business
from raftline.web.replies import require_done

OBJECT: Final = "whatsapp_business_account"
APP_SCOPE: Final = "app"
FIELD_COUNT_MAX: Final = 64

_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_URL: Final = re.compile(r"https?://[^\s/?#]+[^\s#]*", re.IGNORECASE)


class Override(msgspec.Struct, frozen=True):
    """Where something is told of that has a place of its own; an empty address takes it away."""

    override_callback_uri: str | None = None
    verify_token: str | None = None


class NumberBody(msgspec.Struct, frozen=True):
    """What can be set of a number."""

    webhook_configuration: Override | None = None
    pin: str | int | None = None
    new_display_name: str | None = None


async def subscribe(call: Call) -> Response:
    """Let the application be told of fields of all that its business has."""
    _require_object(call)
    query = call.query
    for name in ("callback_url", "verify_token", "fields"):
        if not query.get(name):
            raise missing(name)
    fields = _fields(query["fields"])
    await _set(call, _app_id(call), APP_SCOPE, query["callback_url"], query["verify_token"], fields)
    return graph_reply({"success": True})


async def list_subscriptions(call: Call) -> Response:
    """Tell where the application is told of what."""
    callback = next((one for one in (await _app(call, _app_id(call))).callbacks if one.scope == APP_SCOPE), None)
    return graph_reply({"data": [] if callback is None else [_shown(call, callback)]})


async def unsubscribe(call: Call) -> Response:
    """Let the application be told no more of fields; of none that are left, its address goes."""
    if call.query.get("object"):
        _require_object(call)
    app_id = _app_id(call)
    found = next((one for one in (await _app(call, app_id)).callbacks if one.scope == APP_SCOPE), None)
    named = call.query.get("fields")
    left = set(found.fields.split(",")) - set(_fields(named).split(",")) if found is not None and named else set()
    if found is not None:
        kept = found if left else found._replace(url="", verify_token="")
        await _execute(
            call, SetCallback(app_id, APP_SCOPE, kept.url, kept.verify_token, ",".join(sorted(left)), call.actor)
        )
    return graph_reply({"success": True})


async def override_business(call: Call) -> Response:
    """Let the application be told of the business's events elsewhere, or no longer elsewhere."""
    body = await call.json_or_none(Override) or Override()
    await _override(call, call.parts[0], body)
    return graph_reply({"success": True})


async def list_subscribed(call: Call) -> Response:
    """List the applications that are told of the business's events: all that it has."""
    apps = sorted((await fresh_business(call)).apps, key=lambda app: app.app_id)
    data: list[dict[str, object]] = []
    for app in apps:
        app_id = graph_id(GraphKind.APP, app.app_id)
        entry: dict[str, object] = {
            "whatsapp_business_api_data": {"id": app_id, "name": app.name, "link": f"{call.root_url}/{app_id}"}
        }
        own = [one for one in (await _app(call, app.app_id)).callbacks if one.scope == call.parts[0]]
        data.append(entry | {"override_callback_uri": own[0].url} if own else entry)
    return graph_reply({"data": data})


async def restore_business(call: Call) -> Response:
    """Let the application be told of the business's events where it is told of all."""
    await _override(call, call.parts[0], Override())
    return graph_reply({"success": True})


async def change_number(call: Call) -> Response:
    """Let the application be told of a number's events elsewhere, or no longer elsewhere."""
    body = await call.json(NumberBody)
    if body.webhook_configuration is None:
        if body.new_display_name is not None:
            raise GraphError(Code.PERMISSION, "The name of a number is the operator's to change.")
        if body.pin is not None:
            raise GraphError(Code.INVALID_PARAMETER, "There is no two-step verification: operators give out numbers.")
        raise missing("webhook_configuration")
    await _override(call, call.parts[0], body.webhook_configuration)
    return graph_reply({"success": True})


async def _override(call: Call, scope: str, body: Override) -> None:
    app_id = call.token.app.app_id
    if not body.override_callback_uri:
        await _execute(call, SetCallback(app_id, scope, "", "", "", call.actor))
        return
    if not body.verify_token:
        raise missing("verify_token")
    await _set(call, app_id, scope, body.override_callback_uri, body.verify_token, "")


async def _set(call: Call, app_id: int, scope: str, url: str, verify_token: str, fields: str) -> None:
    if len((url + verify_token + fields).encode()) > BUSINESS_CALLBACK_SIZE_MAX:
        raise wrong("callback_url", f"has, with token and fields, more than {BUSINESS_CALLBACK_SIZE_MAX} bytes")
    if not _URL.fullmatch(url):
        raise wrong("callback_url", "must be an address that begins with https:// or http://")
    if call.edge.check_callback is not None:
        await call.edge.check_callback(url, verify_token)
    await _execute(call, SetCallback(app_id, scope, url, verify_token, fields, call.actor))


async def _execute(call: Call, action: SetCallback) -> None:
    require_done(await call.node.execute(action, key=call.edge.entropy(16)))


def _require_object(call: Call) -> None:
    said = call.query.get("object")
    if not said:
        raise missing("object")
    if said != OBJECT:
        raise wrong("object", f"must be {OBJECT}")


def _fields(text: str) -> str:
    names = sorted({name.strip() for name in text.split(",") if name.strip()})
    if not names or len(names) > FIELD_COUNT_MAX or not all(_FIELD.fullmatch(name) for name in names):
        raise wrong("fields", "must be names of fields with commas between them")
    return ",".join(names)


def _app_id(call: Call) -> int:
    assert isinstance(call.named, int), "an application is named by its number"
    return call.named


async def _app(call: Call, app_id: int) -> AppView:
    await call.node.barrier()
    found = cast("AppView | None", await call.node.ask(AppNamed(app_id)))
    if found is None:
        raise unknown_object(graph_id(GraphKind.APP, app_id))
    return found


def _shown(call: Call, callback: Callback) -> dict[str, object]:
    fields = [{"name": name, "version": call.version} for name in callback.fields.split(",") if name]
    return {"object": OBJECT, "callback_url": callback.url, "active": True, "fields": fields}


ENDPOINTS: Final = (
    Endpoint("POST", Subject.APP, ("subscriptions",), subscribe, MANAGEMENT),
    Endpoint("GET", Subject.APP, ("subscriptions",), list_subscriptions, MANAGEMENT),
    Endpoint("DELETE", Subject.APP, ("subscriptions",), unsubscribe, MANAGEMENT),
    Endpoint("POST", Subject.BUSINESS, ("subscribed_apps",), override_business, MANAGEMENT),
    Endpoint("GET", Subject.BUSINESS, ("subscribed_apps",), list_subscribed, MANAGEMENT),
    Endpoint("DELETE", Subject.BUSINESS, ("subscribed_apps",), restore_business, MANAGEMENT),
    Endpoint("POST", Subject.NUMBER, (), change_number, MANAGEMENT),
)
"""What this file serves."""
