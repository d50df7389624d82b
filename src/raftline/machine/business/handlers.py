"""Where businesses enter the common lists of commands and questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.machine import blocking, vcards
from raftline.machine.business import (
    administration,
    answers,
    applications,
    contact,
    events,
    queries,
    sending,
    templates,
)
from raftline.machine.business import commands as business
from raftline.machine.business.commands import DeleteNumberFile
from raftline.machine.commands import ActForNumber, ChangeBlocklist, SetVcard
from raftline.machine.context import Context
from raftline.machine.media import uploads
from raftline.machine.media.commands import RequestUploadSlot
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.pubsub import items
from raftline.machine.pubsub.commands import Publish
from raftline.machine.queries import Answer, Query


def delete_number_file(context: Context, action: DeleteNumberFile) -> Outcome:
    """Delete a file that a number has uploaded."""
    number = sending.number_named(context, action.localpart)
    upload = uploads.upload_under(context, action.token)
    if number is None or upload is None or upload.account_id != number.account_id:
        return Rejected("item-not-found", "cancel", "There is no such file of this number.")
    uploads.expire_upload(context, action.token)
    return Done()


def act_for_number(context: Context, action: ActForNumber) -> Outcome:
    """Do for a number what a session of its account could do."""
    number = sending.number_named(context, action.localpart)
    if number is None:
        return Rejected("item-not-found", "cancel", "There is no such number.")
    session = sending.stand_in(context, number)
    match action.action:
        case ChangeBlocklist() as change:
            return blocking.change_blocklist(context, session, change)
        case SetVcard() as card:
            return vcards.set_vcard(context, session, card)
        case Publish() as item:
            return items.publish(context, session, item)
        case RequestUploadSlot() as slot:
            return uploads.request_slot(context, session, slot)


BUSINESS_HANDLERS: Final[Mapping[type, Callable[[Context, Any], Outcome]]] = MappingProxyType(
    {
        business.CreateBusiness: administration.create_business,
        business.DeleteBusiness: administration.delete_business,
        business.AddNumber: administration.add_number,
        business.RemoveNumber: administration.remove_number,
        business.ChangeNumber: administration.change_number,
        business.CreateApp: applications.create_app,
        business.DeleteApp: applications.delete_app,
        business.ChangeApp: applications.change_app,
        business.IssueToken: applications.issue_token,
        business.RevokeToken: applications.revoke_token,
        business.SetCallback: applications.set_callback,
        business.StoreTemplate: templates.store_template,
        business.DeleteTemplate: templates.delete_template,
        business.SendFromNumber: sending.send_from_number,
        business.SettleEvents: events.settle_events,
        business.ReplayEvents: events.replay_events,
        business.DiscardEvents: events.discard_events,
        business.DeleteNumberFile: delete_number_file,
        ActForNumber: act_for_number,
    }
)

BUSINESS_ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType(
    {
        queries.Businesses: answers.businesses,
        queries.TokenAccess: answers.token_access,
        queries.NumberNamed: answers.number_named,
        queries.NumberAt: answers.number_at,
        queries.AppNamed: answers.app_named,
        queries.TokensOf: answers.tokens_of,
        queries.IdentityOf: answers.identity_of,
        queries.IdentityBy: answers.identity_by,
        queries.MessageOf: answers.message_of,
        queries.WaitingEvents: answers.waiting_events,
        queries.WaitingEventsOf: answers.waiting_events_of,
        queries.WaitingHeads: answers.waiting_heads,
        queries.DeadEvents: answers.dead_events,
        queries.EventsOf: answers.events_of,
        queries.BusinessAudit: answers.audit,
        queries.TemplatesOf: templates.templates_of,
        queries.TemplateNamed: templates.template_named,
        queries.AppsWaiting: answers.apps_waiting,
        queries.NumberPresence: contact.number_presence,
    }
)
