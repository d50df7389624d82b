"""
Templates of a business: stored, found, changed, deleted. What may be in one is told by template_shapes.py.

    POST   /W/message_templates  {"name", "language", "category", "components"} → {"id", "status", "category"}
    GET    /W/message_templates  ?name=…&language=…&category=…&status=…&content=…&name_or_content=…  a page of them
    DELETE /W/message_templates  ?name=…&hsm_id=…: in all languages, or the one with this id
    GET    /T                    one of them
    POST   /T                    {"components"?, "category"?} → {"success", "id", "name", "category"}

Nobody examines templates: one is approved as soon as it is stored. Its category is told and means nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec
from starlette.responses import Response

from raftline.base.business_limits import BUSINESS_TEMPLATE_COUNT_MAX, BUSINESS_TEMPLATE_SIZE_MAX
from raftline.base.errors import Refused
from raftline.machine.business.commands import DeleteTemplate, StoreTemplate
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.queries import TemplatesOf
from raftline.machine.business.tables import Template
from raftline.machine.business.values import Created
from raftline.web.cloud.access import MANAGEMENT
from raftline.web.cloud.bodies import chosen
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.errors import Code, GraphError, graph_reply, missing, unknown_object, wrong
from raftline.web.cloud.paging import listed, page_of
from raftline.web.cloud.template_shapes import (
    parameter_format,
    require_category,
    require_components,
    require_language,
    require_name,
)
from raftline.web.replies import require_done

EXISTS_SUBCODE: Final = 2_388_024
"""With INVALID_PARAMETER: there is a template of this name in this language."""

UNKNOWN_NAME_SUBCODE: Final = 2_593_002
"""With INVALID_PARAMETER: there is no template of this name to delete."""

_APPROVED: Final = "APPROVED"


class NewTemplate(msgspec.Struct, frozen=True):
    """A template as it is submitted; what is not named here has no meaning for us."""

    name: str
    language: str
    category: str
    components: list[Any]
    parameter_format: str | None = None


class ChangedTemplate(msgspec.Struct, frozen=True):
    """What is to change of a template."""

    components: list[Any] | None = None
    category: str | None = None
    parameter_format: str | None = None
    message_send_ttl_seconds: int | None = None


async def create_template(call: Call) -> Response:
    """Store a template."""
    body = await call.json(NewTemplate)
    category = body.category.upper()
    require_name(body.name)
    require_language(body.language)
    require_category(category)
    if any(one.language == body.language for one in await _templates(call, body.name)):
        details = f"There is a template {body.name!r} in {body.language} already; change it by its id."
        raise GraphError(Code.INVALID_PARAMETER, details, subcode=EXISTS_SUBCODE)
    template_id = await _store(call, body.name, body.language, category, body.components)
    return graph_reply({"id": template_id, "status": _APPROVED, "category": category})


async def list_templates(call: Call) -> Response:
    """List templates, a page at a time."""
    all_of_them = await _templates(call)
    rows = [one for one in all_of_them if _is_wanted(call, one)]
    shown, paging = page_of(call, rows, key=lambda one: f"{one.name}\x00{one.language}")
    fields = call.query.get("fields")
    answer = listed([chosen(shown_template(one), fields) for one in shown], paging)
    if call.query.get("summary"):
        answer["summary"] = {
            "total_count": len(rows),
            "message_template_count": len(all_of_them),
            "message_template_limit": BUSINESS_TEMPLATE_COUNT_MAX,
            "are_translations_complete": True,
        }
    return graph_reply(answer)


async def delete_template(call: Call) -> Response:
    """Delete a template in all languages, or in that of an id."""
    name, template_id = call.query.get("name"), call.query.get("hsm_id")
    if not name:
        raise missing("name")
    found = [one for one in await _templates(call, name) if template_id in {None, _id_of(one)}]
    if not found:
        details = f"There is no template {name[:100]!r}" + (" with this id." if template_id else ".")
        raise GraphError(Code.INVALID_PARAMETER, details, subcode=UNKNOWN_NAME_SUBCODE)
    language = "" if template_id is None else found[0].language
    action = DeleteTemplate(call.token.app.business_id, name, language, call.actor)
    require_done(await call.node.execute(action, key=call.edge.entropy(16)))
    return graph_reply({"success": True})


async def show_template(call: Call) -> Response:
    """Tell of one template."""
    return graph_reply(chosen(shown_template(await _named(call)), call.query.get("fields")))


async def change_template(call: Call) -> Response:
    """Change what a template is made of, or what it is said to be for."""
    body = await call.json(ChangedTemplate)
    found = await _named(call)
    category = found.category if body.category is None else body.category.upper()
    require_category(category)
    components = msgspec.json.decode(found.components) if body.components is None else body.components
    template_id = await _store(call, found.name, found.language, category, components)
    return graph_reply({"success": True, "id": template_id, "name": found.name, "category": category})


def shown_template(template: Template) -> dict[str, object]:
    """Return all that is told of a template."""
    components = msgspec.json.decode(template.components)
    return {
        "id": _id_of(template),
        "name": template.name,
        "language": template.language,
        "status": _APPROVED,
        "category": template.category,
        "components": components,
        "parameter_format": parameter_format(components),
    }


async def _store(call: Call, name: str, language: str, category: str, components: list[Any]) -> str:
    require_components(components)
    content = msgspec.json.encode(components)
    if len(content) > BUSINESS_TEMPLATE_SIZE_MAX:
        raise wrong("components", f"have more than {BUSINESS_TEMPLATE_SIZE_MAX} bytes")
    action = StoreTemplate(call.token.app.business_id, name, language, category, content, call.actor)
    try:
        done = require_done(await call.node.execute(action, key=call.edge.entropy(16)))
    except Refused as refused:
        raise GraphError(Code.INVALID_PARAMETER, refused.text) from None
    assert isinstance(done.result, Created)
    return graph_id(GraphKind.TEMPLATE, done.result.template_id)


async def _templates(call: Call, name: str = "") -> Sequence[Template]:
    await call.node.barrier()
    query = TemplatesOf(call.token.app.business_id, name, limit=BUSINESS_TEMPLATE_COUNT_MAX)
    return cast("list[Template]", await call.node.ask(query))


async def _named(call: Call) -> Template:
    """Return the template that the path names; one of another business is none."""
    found = next((one for one in await _templates(call) if one.template_id == call.named), None)
    if found is None:
        raise unknown_object(call.parts[0])
    return found


def _is_wanted(call: Call, template: Template) -> bool:
    """Whether a template is what the filters of a list ask for; texts are looked for without regard to case."""
    query, content = call.query, template.components.decode().lower()
    lists = {"language": template.language, "category": template.category, "status": _APPROVED}
    if any(query.get(name) and value not in query[name].split(",") for name, value in lists.items()):
        return False
    name, text, either = (query.get(one, "").lower() for one in ("name", "content", "name_or_content"))
    return name in template.name and text in content and (either in template.name or either in content)


def _id_of(template: Template) -> str:
    return graph_id(GraphKind.TEMPLATE, template.template_id)


ENDPOINTS: Final = (
    Endpoint("POST", Subject.BUSINESS, ("message_templates",), create_template, MANAGEMENT),
    Endpoint("GET", Subject.BUSINESS, ("message_templates",), list_templates, MANAGEMENT),
    Endpoint("DELETE", Subject.BUSINESS, ("message_templates",), delete_template, MANAGEMENT),
    Endpoint("GET", Subject.TEMPLATE, (), show_template, MANAGEMENT),
    Endpoint("POST", Subject.TEMPLATE, (), change_template, MANAGEMENT),
)
"""What this file serves."""
