"""
What answers of the Cloud API look like, for its document alone: the endpoints write them without structs.

Where a program can choose `fields`, only the id is certain. What is not named here may come as well.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

_Text = str | UnsetType
_File = Annotated[str, Meta(extra_json_schema={"contentMediaType": "application/octet-stream"})]


class ErrorData(Struct, frozen=True):
    """A sentence for people."""

    messaging_product: str
    details: str


class GraphErrorBody(Struct, frozen=True):
    """Programs choose by `code`; `is_transient` says that the same request may succeed in a moment."""

    message: str
    type: str
    code: int
    error_data: ErrorData
    fbtrace_id: str
    error_subcode: int | UnsetType = UNSET
    error_user_title: _Text = UNSET
    error_user_msg: _Text = UNSET
    is_transient: bool | UnsetType = UNSET


class GraphFailure(Struct, frozen=True):
    """The body of every error."""

    error: GraphErrorBody


class Success(Struct, frozen=True):
    """It was done."""

    success: bool


class Cursors(Struct, frozen=True):
    """Names of the first and the last row of a page."""

    before: str
    after: str


class Paging(Struct, frozen=True):
    """Where a page begins and ends, and addresses of those beside it."""

    cursors: Cursors
    next: _Text = UNSET
    previous: _Text = UNSET


class Contact(Struct, frozen=True):
    """Somebody as the program named them, and as they are known: by number, if they have one, and BSUID."""

    input: str
    user_id: _Text = UNSET
    wa_id: _Text = UNSET


class SentMessage(Struct, frozen=True):
    """The id of a message: later events name it."""

    id: str
    message_status: _Text = UNSET


class Sent(Struct, frozen=True):
    """What was sent, and to whom."""

    messaging_product: str
    contacts: list[Contact]
    messages: list[SentMessage]


class Named(Struct, frozen=True):
    """The id of what was made."""

    id: str


class MediaForm(Struct, frozen=True):
    """A file; `type` is its media type, and `ttl_minutes` how long it is kept."""

    file: _File
    messaging_product: str
    type: _Text = UNSET
    ttl_minutes: _Text = UNSET


class MediaInfo(Struct, frozen=True):
    """A file, and where it is read."""

    id: str
    url: str
    mime_type: str
    sha256: str
    file_size: int
    messaging_product: str


class BlockedUser(Contact, frozen=True):
    """Somebody whom the number has blocked."""

    messaging_product: _Text = UNSET


class FailedUser(Struct, frozen=True):
    """Somebody who could not be, and why."""

    input: str
    errors: list[dict[str, Any]]


class BlockedUsers(Struct, frozen=True):
    """Who was blocked, or is blocked no longer."""

    added_users: list[Contact] | UnsetType = UNSET
    removed_users: list[Contact] | UnsetType = UNSET
    failed_users: list[FailedUser] | UnsetType = UNSET


class Blocking(Struct, frozen=True):
    """What came of a change to the block list; `errors` when somebody was left out."""

    messaging_product: str
    block_users: BlockedUsers
    errors: dict[str, Any] | UnsetType = UNSET


class BlockedPage(Struct, frozen=True):
    """Some of those whom the number has blocked."""

    data: list[BlockedUser]
    paging: Paging | UnsetType = UNSET


class ProfileInfo(Struct, frozen=True):
    """What a business says of itself."""

    vertical: str
    messaging_product: str
    about: _Text = UNSET
    address: _Text = UNSET
    description: _Text = UNSET
    email: _Text = UNSET
    websites: list[str] | UnsetType = UNSET
    profile_picture_url: _Text = UNSET


class ProfileList(Struct, frozen=True):
    """The one profile of a number."""

    data: list[ProfileInfo]


class PhoneNumber(Struct, frozen=True):
    """A number."""

    id: str
    verified_name: _Text = UNSET
    display_phone_number: _Text = UNSET
    status: _Text = UNSET
    quality_rating: _Text = UNSET
    platform_type: _Text = UNSET
    throughput: dict[str, str] | UnsetType = UNSET
    webhook_configuration: dict[str, str] | UnsetType = UNSET


class PhoneNumberPage(Struct, frozen=True):
    """Some numbers of a business."""

    data: list[PhoneNumber]
    paging: Paging | UnsetType = UNSET


class BusinessAccount(Struct, frozen=True):
    """A business."""

    id: str
    name: _Text = UNSET
    timezone_id: _Text = UNSET
    message_template_namespace: _Text = UNSET


class NumberSettings(Struct, frozen=True):
    """What can be set of a number: nothing."""

    storage_configuration: dict[str, str] | UnsetType = UNSET


class AccessToken(Struct, frozen=True):
    """A token; `expires_in` in seconds."""

    access_token: str
    token_type: str
    expires_in: int


class SubscribedField(Struct, frozen=True):
    """What an application is told of."""

    name: str
    version: str


class Subscription(Struct, frozen=True):
    """Where an application is told of what."""

    object: str
    callback_url: str
    active: bool
    fields: list[SubscribedField]


class SubscriptionList(Struct, frozen=True):
    """The one subscription of an application, if it has one."""

    data: list[Subscription]


class SubscribedApp(Struct, frozen=True):
    """An application, and where it is told of a business's events, if not where it is told of all."""

    whatsapp_business_api_data: dict[str, str]
    override_callback_uri: _Text = UNSET


class SubscribedAppList(Struct, frozen=True):
    """The applications of a business."""

    data: list[SubscribedApp]


class TemplateInfo(Struct, frozen=True):
    """A template."""

    id: str
    name: _Text = UNSET
    language: _Text = UNSET
    status: _Text = UNSET
    category: _Text = UNSET
    components: list[Any] | UnsetType = UNSET
    parameter_format: _Text = UNSET


class TemplatePage(Struct, frozen=True):
    """Some templates of a business."""

    data: list[TemplateInfo]
    paging: Paging | UnsetType = UNSET
    summary: dict[str, Any] | UnsetType = UNSET


class StoredTemplate(Struct, frozen=True):
    """A template that was stored."""

    id: str
    status: str
    category: str


class ChangedTemplateInfo(Struct, frozen=True):
    """A template that was changed."""

    success: bool
    id: str
    name: str
    category: str


class UploadOffset(Struct, frozen=True):
    """How many bytes of an upload are there."""

    id: str
    file_offset: int


class UploadHandle(Struct, frozen=True):
    """The handle of a file."""

    h: str


class GroupRequest(Struct, frozen=True):
    """It is done; the event that tells of it has this id."""

    messaging_product: str
    request_id: str
    id: _Text = UNSET


class GroupMember(Struct, frozen=True):
    """Somebody in a group."""

    user_id: str
    wa_id: _Text = UNSET


class GroupInfo(Struct, frozen=True):
    """A group."""

    id: str
    messaging_product: _Text = UNSET
    subject: _Text = UNSET
    description: _Text = UNSET
    creation_timestamp: _Text = UNSET
    suspended: bool | UnsetType = UNSET
    total_participant_count: int | UnsetType = UNSET
    participants: list[GroupMember] | UnsetType = UNSET
    join_approval_mode: _Text = UNSET


class GroupPage(Struct, frozen=True):
    """Some groups of a number."""

    data: list[GroupInfo]
    paging: Paging | UnsetType = UNSET


class GroupForm(Struct, frozen=True):
    """What is to be different of a group; the picture is a square JPEG."""

    messaging_product: _Text = UNSET
    subject: _Text = UNSET
    description: _Text = UNSET
    profile_picture_file: _File | UnsetType = UNSET


class InviteLink(Struct, frozen=True):
    """The link of a group."""

    messaging_product: str
    invite_link: str


class RemovedParticipants(Struct, frozen=True):
    """Who was not in the group is told of in `failed_participants`."""

    messaging_product: str
    request_id: str
    failed_participants: list[FailedUser] | UnsetType = UNSET


class JoinRequest(GroupMember, frozen=True, kw_only=True):
    """Somebody who asks to be let in."""

    join_request_id: str
    creation_timestamp: str


class JoinRequestPage(Struct, frozen=True):
    """Some requests, the longest waiting first."""

    data: list[JoinRequest]
    paging: Paging | UnsetType = UNSET


class DecidedRequests(Struct, frozen=True):
    """Ids of requests that were decided, and of those that could not be."""

    messaging_product: str
    request_id: str
    approved_join_requests: list[str] | UnsetType = UNSET
    rejected_join_requests: list[str] | UnsetType = UNSET
    failed_join_requests: list[dict[str, Any]] | UnsetType = UNSET
