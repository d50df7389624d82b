"""
All operations of the Cloud API that do something; those that are refused by name (cloud/refused.py) are not here.

What a path of one segment names is told by its id alone, so `GET /{id}` is one operation for all that has an id, with
an answer of the kind that the id is of. Tests compare the rows with the endpoints that there are, and with answers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

from raftline.base.cloud_limits import CLOUD_PAGE_ROW_COUNT_MAX
from raftline.web.cloud import blocks, group_doors, groups, numbers, profile, subscriptions, templates
from raftline.web.cloud.call import Subject
from raftline.web.cloud.sending.requests import MessageRequest
from raftline.web.openapi import cloud_shapes as shapes
from raftline.web.openapi.document import Interface
from raftline.web.openapi.operation import BINARY, FORM, AnyOf, Operation, Parameter


class Row(NamedTuple):
    """An operation, with what routing.Endpoint has of it: subjects of its first segment, and the segments after it."""

    subjects: tuple[Subject | str, ...]
    rest: tuple[str, ...]
    operation: Operation


_NAMES: Final = {
    Subject.APP: "app_id",
    Subject.BUSINESS: "waba_id",
    Subject.NUMBER: "phone_number_id",
    Subject.GROUP: "group_id",
}

INTERFACE: Final = Interface(
    title="Raftline Cloud API",
    text=(
        "What programs do for businesses, in the form of WhatsApp's Business Cloud API. Any node answers, under any"
        " version. Paths of that API which are not here are refused with code 100, those that are the operator's to do"
        " with code 10. Errors are told apart by their `code`."
    ),
    server="/",
    error=shapes.GraphFailure,
    errors=(400, 401, 403, 404, 429, 503),
    body_errors=(413, 415),
    path_errors=(),
    named={
        "id": "Id of a number, business, file, template or group, or of an upload (`upload:…`).",
        "app_id": "Id of the token's application.",
        "waba_id": "Id of the token's business.",
        "phone_number_id": "Id of a number of the token's business.",
        "group_id": "Id of a group that a number of the business is in.",
    },
    tags={
        "messages": "What numbers send.",
        "media": "Files.",
        "people": "Whom a number has blocked.",
        "numbers": "Numbers and what they say of themselves.",
        "events": "Where applications are told of events.",
        "templates": "Stored templates.",
        "groups": "Groups that numbers lead.",
        "tokens": "Tokens of applications.",
    },
)

_FIELDS: Final = Parameter("fields", str, "Names of fields, with commas between them; all when it is not said.")
_PAGE: Final = (
    Parameter("limit", str, f"Rows of a page, {CLOUD_PAGE_ROW_COUNT_MAX} at most."),
    Parameter("after", str, "Cursor: begin after it."),
    Parameter("before", str, "Cursor: end before it."),
)
_KEY: Final = Parameter(
    "Idempotency-Key", str, "Repeated under the same key, the message is sent once.", place="header"
)


def _query(*named: tuple[str, str]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, str, text) for name, text in named)


def _row(method: str, subject: Subject | str, rest: str, name: str, text: str, tag: str, **more: Any) -> Row:
    first = f"{{{_NAMES[subject]}}}" if isinstance(subject, Subject) else subject
    operation = Operation(method, f"/{first}/{rest}", name, text, tag, **more)
    return Row((subject,), tuple(rest.split("/")), operation)


_NUMBER, _GROUP, _BUSINESS, _APP = Subject.NUMBER, Subject.GROUP, Subject.BUSINESS, Subject.APP

_MESSAGES: Final = (
    _row(
        "POST",
        _NUMBER,
        "messages",
        "sendMessage",
        "Send a message, or tell that one was read.",
        "messages",
        body=MessageRequest,
        reply=AnyOf((shapes.Sent, shapes.Success)),
        parameters=(_KEY,),
    ),
    _row(
        "POST",
        _NUMBER,
        "media",
        "uploadMedia",
        "Upload a file.",
        "media",
        forms=((FORM, shapes.MediaForm),),
        reply=shapes.Named,
    ),
    _row(
        "POST",
        _NUMBER,
        "block_users",
        "blockUsers",
        "Block people.",
        "people",
        body=blocks.BlockBody,
        reply=shapes.Blocking,
    ),
    _row(
        "DELETE",
        _NUMBER,
        "block_users",
        "unblockUsers",
        "Block people no longer.",
        "people",
        body=blocks.BlockBody,
        reply=shapes.Blocking,
    ),
    _row(
        "GET",
        _NUMBER,
        "block_users",
        "listBlockedUsers",
        "List who is blocked.",
        "people",
        reply=shapes.BlockedPage,
        parameters=_PAGE,
    ),
)

_NUMBERS: Final = (
    _row(
        "GET",
        _NUMBER,
        "whatsapp_business_profile",
        "showProfile",
        "Show what a number says of itself.",
        "numbers",
        reply=shapes.ProfileList,
        parameters=(_FIELDS,),
    ),
    _row(
        "POST",
        _NUMBER,
        "whatsapp_business_profile",
        "changeProfile",
        "Change what a number says of itself.",
        "numbers",
        body=profile.ProfileBody,
        reply=shapes.Success,
    ),
    _row(
        "GET",
        _NUMBER,
        "settings",
        "showSettings",
        "Show what can be set of a number.",
        "numbers",
        reply=shapes.NumberSettings,
        parameters=(_FIELDS,),
    ),
    _row(
        "POST",
        _NUMBER,
        "register",
        "register",
        "Let a number send.",
        "numbers",
        body=numbers.RegisterBody,
        reply=shapes.Success,
    ),
    _row("POST", _NUMBER, "deregister", "deregister", "Let it send no more.", "numbers", reply=shapes.Success),
    _row(
        "GET",
        _BUSINESS,
        "phone_numbers",
        "listNumbers",
        "List the numbers of a business.",
        "numbers",
        reply=shapes.PhoneNumberPage,
        parameters=(_FIELDS, *_PAGE),
    ),
    _row(
        "GET",
        "oauth",
        "access_token",
        "issueToken",
        "Get a token for an application's id and secret.",
        "tokens",
        reply=shapes.AccessToken,
        parameters=_query(
            ("grant_type", "`client_credentials`."),
            ("client_id", "Id of the application."),
            ("client_secret", "Its secret."),
        ),
        is_open=True,
    ),
)

_EVENTS: Final = (
    _row(
        "POST",
        _APP,
        "subscriptions",
        "subscribe",
        "Set where an application is told of what.",
        "events",
        reply=shapes.Success,
        parameters=_query(
            ("object", "`whatsapp_business_account`."),
            ("callback_url", "Where; it is asked at once whether it expects us."),
            ("verify_token", "What it knows us by."),
            ("fields", "Of what, with commas between them."),
        ),
    ),
    _row(
        "GET",
        _APP,
        "subscriptions",
        "listSubscriptions",
        "Show where an application is told of what.",
        "events",
        reply=shapes.SubscriptionList,
    ),
    _row(
        "DELETE",
        _APP,
        "subscriptions",
        "unsubscribe",
        "Tell an application no more.",
        "events",
        reply=shapes.Success,
        parameters=_query(
            ("object", "`whatsapp_business_account`."), ("fields", "Of what; of all when it is not said.")
        ),
    ),
    _row(
        "POST",
        _BUSINESS,
        "subscribed_apps",
        "overrideBusiness",
        "Set where the application is told of a business's events; with no address, where it is told of all.",
        "events",
        body=subscriptions.Override,
        body_is_needed=False,
        reply=shapes.Success,
    ),
    _row(
        "GET",
        _BUSINESS,
        "subscribed_apps",
        "listSubscribedApps",
        "List the applications of a business.",
        "events",
        reply=shapes.SubscribedAppList,
    ),
    _row(
        "DELETE",
        _BUSINESS,
        "subscribed_apps",
        "restoreBusiness",
        "Tell the application of a business's events where it is told of all.",
        "events",
        reply=shapes.Success,
    ),
    _row(
        "GET",
        _APP,
        "events",
        "streamEvents",
        "Read events as they happen (server-sent events).",
        "events",
        reply=bytes,
        reply_media="text/event-stream",
        parameters=(
            *_query(("last_event_id", "The last event that was seen.")),
            Parameter("Last-Event-ID", str, "The same.", place="header"),
        ),
    ),
)

_TEMPLATES: Final = (
    _row(
        "POST",
        _BUSINESS,
        "message_templates",
        "createTemplate",
        "Store a template.",
        "templates",
        body=templates.NewTemplate,
        reply=shapes.StoredTemplate,
    ),
    _row(
        "GET",
        _BUSINESS,
        "message_templates",
        "listTemplates",
        "List templates.",
        "templates",
        reply=shapes.TemplatePage,
        parameters=(
            _FIELDS,
            *_PAGE,
            *_query(
                ("name", "Part of the name."),
                ("content", "Part of the components."),
                ("name_or_content", "Part of either."),
                ("language", "Languages, with commas between them."),
                ("category", "Categories."),
                ("status", "Statuses."),
                ("summary", "Tell how many there are."),
            ),
        ),
    ),
    _row(
        "DELETE",
        _BUSINESS,
        "message_templates",
        "deleteTemplate",
        "Delete a template in all languages, or in that of an id.",
        "templates",
        reply=shapes.Success,
        parameters=_query(("name", "Its name."), ("hsm_id", "Its id.")),
    ),
    _row(
        "POST",
        _APP,
        "uploads",
        "beginUpload",
        "Begin an upload for a profile's picture or a template's example.",
        "media",
        reply=shapes.Named,
        parameters=_query(("file_length", "Bytes."), ("file_type", "Media type."), ("file_name", "Name.")),
    ),
)

_GROUPS: Final = (
    _row(
        "POST",
        _NUMBER,
        "groups",
        "createGroup",
        "Make a group that the number leads.",
        "groups",
        body=groups.NewGroup,
        reply=shapes.GroupRequest,
        parameters=(_KEY,),
    ),
    _row(
        "GET",
        _NUMBER,
        "groups",
        "listGroups",
        "List the groups of a number.",
        "groups",
        reply=shapes.GroupPage,
        parameters=(_FIELDS, *_PAGE),
    ),
    _row("GET", _GROUP, "invite_link", "showInviteLink", "Show its link.", "groups", reply=shapes.InviteLink),
    _row(
        "POST",
        _GROUP,
        "invite_link",
        "resetInviteLink",
        "Give it another link.",
        "groups",
        body=group_doors.JoinRequests,
        body_is_needed=False,
        reply=shapes.InviteLink,
        parameters=(_KEY,),
    ),
    _row(
        "DELETE",
        _GROUP,
        "participants",
        "removeParticipants",
        "Take people out of a group.",
        "groups",
        body=group_doors.Participants,
        reply=shapes.RemovedParticipants,
        parameters=(_KEY,),
    ),
    _row(
        "GET",
        _GROUP,
        "join_requests",
        "listJoinRequests",
        "List who asks to be let in.",
        "groups",
        reply=shapes.JoinRequestPage,
        parameters=_PAGE,
    ),
    *(
        _row(
            method,
            _GROUP,
            "join_requests",
            name,
            text,
            "groups",
            body=group_doors.JoinRequests,
            reply=shapes.DecidedRequests,
            parameters=(_KEY,),
        )
        for method, name, text in (
            ("POST", "approveJoinRequests", "Let people in."),
            ("DELETE", "rejectJoinRequests", "Do not let people in."),
        )
    ),
)

# What an id names may not be asked for this: an application shows nothing, and a number is not deleted.
_OF_ID: Final = Operation("GET", "/{id}", "show", "Show what has this id.", "numbers", errors=(405,))
_OBJECTS: Final = (
    Row(
        (Subject.NUMBER, Subject.BUSINESS, Subject.FILE, Subject.TEMPLATE, Subject.GROUP, Subject.UPLOAD),
        (),
        replace(
            _OF_ID,
            reply=AnyOf(
                (
                    shapes.PhoneNumber,
                    shapes.BusinessAccount,
                    shapes.MediaInfo,
                    shapes.TemplateInfo,
                    shapes.GroupInfo,
                    shapes.UploadOffset,
                )
            ),
            parameters=(_FIELDS, *_query(("phone_number_id", "Of files: a number of the business."))),
        ),
    ),
    Row(
        (Subject.NUMBER, Subject.TEMPLATE, Subject.GROUP, Subject.UPLOAD),
        (),
        replace(
            _OF_ID,
            method="POST",
            name="change",
            text="Change what has this id; of an upload, send the bytes.",
            body=AnyOf((subscriptions.NumberBody, templates.ChangedTemplate, groups.GroupChange)),
            forms=((FORM, shapes.GroupForm), (BINARY, bytes)),
            reply=AnyOf((shapes.Success, shapes.ChangedTemplateInfo, shapes.GroupRequest, shapes.UploadHandle)),
            parameters=(_KEY, Parameter("file_offset", str, "Of an upload: where the bytes begin.", place="header")),
        ),
    ),
    Row(
        (Subject.FILE, Subject.GROUP),
        (),
        replace(
            _OF_ID,
            method="DELETE",
            name="delete",
            text="Delete a file or a group.",
            reply=AnyOf((shapes.Success, shapes.GroupRequest)),
            parameters=(_KEY, *_query(("phone_number_id", "Of files: a number of the business."))),
        ),
    ),
)

ROWS: Final[tuple[Row, ...]] = (*_MESSAGES, *_NUMBERS, *_EVENTS, *_TEMPLATES, *_GROUPS, *_OBJECTS)
"""The document itself is not among them: it is how they are found."""

OPERATIONS: Final = tuple(row.operation for row in ROWS)
