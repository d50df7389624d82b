"""Templates: stored texts with places for what is put in, of a business."""

from __future__ import annotations

from typing import Final

from raftline.base.business_limits import (
    BUSINESS_NAME_SIZE_MAX,
    BUSINESS_TEMPLATE_COUNT_MAX,
    BUSINESS_TEMPLATE_SIZE_MAX,
)
from raftline.machine.business.audit import note
from raftline.machine.business.commands import DeleteTemplate, StoreTemplate
from raftline.machine.business.queries import TemplateNamed, TemplatesOf
from raftline.machine.business.tables import Template
from raftline.machine.business.values import Created
from raftline.machine.context import Context
from raftline.machine.outcomes import Done, Outcome, Rejected

_NO_BUSINESS: Final = Rejected("item-not-found", "cancel", "There is no such business.")
_NO_TEMPLATE: Final = Rejected("item-not-found", "cancel", "There is no such template.")


def store_template(context: Context, action: StoreTemplate) -> Outcome:
    """Store a template, or replace the components of one."""
    business = context.business
    if business.businesses.get(action.business_id) is None:
        return _NO_BUSINESS
    names = (action.name, action.language, action.category)
    if not all(0 < len(name.encode()) <= BUSINESS_NAME_SIZE_MAX for name in names):
        return Rejected("not-acceptable", "modify", "A name is empty or too long.")
    if len(action.components) > BUSINESS_TEMPLATE_SIZE_MAX:
        return Rejected("not-acceptable", "modify", f"A template has at most {BUSINESS_TEMPLATE_SIZE_MAX} bytes.")
    key = (action.business_id, action.name, action.language)
    former = business.templates.get(key)
    if former is None:
        sql = "SELECT count(*) FROM business_template WHERE business_id = ?"
        ((count,),) = context.rows.select((business.templates,), sql, (action.business_id,))
        if count >= BUSINESS_TEMPLATE_COUNT_MAX:
            text = f"A business has at most {BUSINESS_TEMPLATE_COUNT_MAX} templates."
            return Rejected("resource-constraint", "cancel", text)
    template_id = context.next_number("template") if former is None else former.template_id
    created_ms = context.time_ms if former is None else former.created_ms
    business.templates.put(key, Template(*key, template_id, action.category, action.components, created_ms))
    note(context, action.business_id, action.actor, "template.store", f"{action.name}, {action.language}")
    return Done(Created(action.business_id, template_id=template_id))


def delete_template(context: Context, action: DeleteTemplate) -> Outcome:
    """Delete a template, in one language or all."""
    templates = context.business.templates
    sql = (
        "SELECT language FROM business_template WHERE business_id = ? AND name = ? AND (? = '' OR language = ?)"
        " ORDER BY language"
    )
    bindings = (action.business_id, action.name, action.language, action.language)
    found = context.rows.select((templates,), sql, bindings)
    if not found:
        return _NO_TEMPLATE
    for (language,) in found:
        templates.delete((action.business_id, action.name, language))
    note(context, action.business_id, action.actor, "template.delete", f"{action.name}, {action.language or 'all'}")
    return Done()


def templates_of(context: Context, query: TemplatesOf) -> list[Template]:
    """Return templates of a business, a page at a time."""
    sql = (
        "SELECT * FROM business_template WHERE business_id = ? AND (? = '' OR name = ?) AND (name, language) > (?, ?)"
        " ORDER BY name, language LIMIT ?"
    )
    bindings = (query.business_id, query.name, query.name, *query.after, max(query.limit, 0))
    return [Template._make(row) for row in context.rows.select((context.business.templates,), sql, bindings)]


def template_named(context: Context, query: TemplateNamed) -> Template | None:
    """Return a template in one language."""
    return context.business.templates.get((query.business_id, query.name, query.language))
