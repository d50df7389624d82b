"""All operations of `/admin/v1`. Their paths and shapes are compared with the routes and answers by tests."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from raftline.base.business_limits import BUSINESS_COUNT_MAX
from raftline.base.limits import REPORT_PAGE_ROW_COUNT_MAX
from raftline.web.admin import IDEMPOTENCY_HEADER, IDEMPOTENCY_KEY_CHARACTERS_MAX, PAGE_MAX, NewPassword, NewUser
from raftline.web.businesses import bodies, views
from raftline.web.businesses.events import PAGE_MAX as EVENT_PAGE_MAX
from raftline.web.invitations import NewInvitation
from raftline.web.membership import Invitation, NewDrain
from raftline.web.membership import NewInvitation as NewNodeInvitation
from raftline.web.openapi import admin_shapes as shapes
from raftline.web.openapi.document import Interface
from raftline.web.openapi.operation import Operation, Parameter
from raftline.web.operations import Transfer
from raftline.web.overview import ACCOUNT_PAGE_MAX, ROOM_PAGE_MAX
from raftline.web.portability import NewImport, Pieces
from raftline.web.retention import RetentionDays

PREFIX: Final = "/admin/v1"

_APP: Final = "/apps/{id}"
_LETTERS: Final = f"{_APP}/dead-letters"
_NUMBER: Final = "/numbers/{id}"

_Key = Annotated[str, Meta(max_length=IDEMPOTENCY_KEY_CHARACTERS_MAX)]
_EventId = Annotated[str, Meta(pattern="^[0-9]{1,18}-[0-9]{1,9}$")]
_Offset = Annotated[int, Meta(ge=0, lt=10**18)]

INTERFACE: Final = Interface(
    title="Raftline administration",
    text="Accounts, businesses and the nodes of a cluster. Any node answers; reads see all that was acknowledged.",
    server=PREFIX,
    error=shapes.Error,
    errors=(400, 401, 503),
    body_errors=(413, 415),
    path_errors=(404,),
    named={
        "id": "Its id, as lists tell it.",
        "letter": "Id of the dead letter.",
        "name": "Its name.",
        "node": "Number of the node.",
        "part": "Name of the part, as the backup's header tells it.",
        "token": "Id of the token.",
    },
    parameters=(
        Parameter(IDEMPOTENCY_HEADER, _Key, "Repeated under the same key, the change happens once.", place="header"),
    ),
    tags={
        "accounts": "People.",
        "service": "What the service holds.",
        "cluster": "Nodes, and who leads.",
        "backups": "Copies of all that the cluster knows.",
        "businesses": "Who speaks for businesses by the Cloud API.",
    },
)


def _limit(greatest: int) -> Parameter:
    return Parameter("limit", Annotated[int, Meta(ge=1, le=greatest)], "Rows of a page; 100 when it is not said.")


def _after(what: str = "Begin after this one.") -> Parameter:
    return Parameter("after", str, what)


_ACCOUNTS: Final = (
    Operation(
        "GET",
        "/users",
        "listUsers",
        "List accounts, by name.",
        "accounts",
        reply=shapes.UserPage,
        parameters=(_after(), _limit(PAGE_MAX)),
    ),
    Operation(
        "POST",
        "/users",
        "createUser",
        "Create an account.",
        "accounts",
        body=NewUser,
        reply=shapes.Address,
        status=201,
        errors=(409,),
    ),
    Operation("PUT", "/users/{name}/password", "setPassword", "Set a password.", "accounts", NewPassword, status=204),
    Operation("DELETE", "/users/{name}", "deleteUser", "Delete an account with all of it.", "accounts", status=204),
    Operation(
        "GET",
        "/users/{name}/export",
        "exportUser",
        "Read an account for another server, page by page (XEP-0227).",
        "accounts",
        reply=shapes.ExportPage,
        parameters=(Parameter("page", str, "`next` of the last page; none for the first."),),
    ),
    Operation(
        "POST",
        "/users/{name}/import",
        "importPieces",
        "Put pieces of an exported account into one.",
        "accounts",
        Pieces,
        shapes.ImportedPieces,
    ),
    Operation(
        "POST",
        "/imports",
        "beginImport",
        "Make an account that another server exported.",
        "accounts",
        NewImport,
        shapes.Imported,
        status=201,
        errors=(409,),
    ),
    Operation(
        "GET",
        "/invitations",
        "listInvitations",
        "List open invitations of people.",
        "accounts",
        reply=shapes.InvitationList,
    ),
    Operation(
        "POST",
        "/invitations",
        "invite",
        "Invite somebody to open an account.",
        "accounts",
        NewInvitation,
        shapes.InvitationLink,
        status=201,
        errors=(409,),
    ),
    Operation("DELETE", "/invitations/{id}", "uninvite", "Take an invitation back.", "accounts", status=204),
    Operation(
        "GET",
        "/reports",
        "listReports",
        "List what people reported of others, the last first.",
        "accounts",
        reply=shapes.ReportPage,
        parameters=(
            Parameter("state", Literal["open", "closed", "all"], "Which; open ones when it is not said."),
            Parameter("before", _EventId, "Begin before this one."),
            _limit(REPORT_PAGE_ROW_COUNT_MAX),
        ),
    ),
    Operation(
        "POST", "/reports/{id}/close", "closeReport", "Note that a report is dealt with.", "accounts", status=204
    ),
)

_SERVICE: Final = (
    Operation("GET", "/overview", "showTotals", "Count accounts and rooms.", "service", reply=shapes.Totals),
    Operation(
        "GET",
        "/rooms",
        "listRooms",
        "List rooms that anyone may find, by name.",
        "service",
        reply=shapes.RoomPage,
        parameters=(_after(), _limit(ROOM_PAGE_MAX)),
    ),
    Operation("GET", "/media", "countFiles", "Count uploaded files.", "service", reply=shapes.FileTotals),
    Operation(
        "GET",
        "/media/accounts",
        "listFiles",
        "List what accounts have uploaded, by name.",
        "service",
        reply=shapes.FilesPage,
        parameters=(_after(), _limit(ACCOUNT_PAGE_MAX)),
    ),
    Operation("GET", "/retention", "showRetention", "Show how long things are kept.", "service", reply=RetentionDays),
    Operation(
        "PUT", "/retention", "setRetention", "Set how long things are kept.", "service", RetentionDays, RetentionDays
    ),
)

_CLUSTER: Final = (
    Operation("GET", "/cluster", "showCluster", "Show the state of all nodes.", "cluster", reply=shapes.ClusterStatus),
    Operation("GET", "/cluster/nodes", "listNodes", "Tell where nodes are.", "cluster", reply=shapes.NodeAddresses),
    Operation(
        "POST",
        "/cluster/transfer",
        "transferLeadership",
        "Have another node lead.",
        "cluster",
        Transfer,
        shapes.Transferring,
        status=202,
        errors=(404,),
    ),
    Operation(
        "POST",
        "/cluster/invitations",
        "inviteNode",
        "Let one new node join.",
        "cluster",
        NewNodeInvitation,
        Invitation,
        status=201,
        errors=(403, 404, 409),
    ),
    Operation(
        "DELETE",
        "/cluster/nodes/{node}",
        "removeNode",
        "Begin to remove a node.",
        "cluster",
        reply=shapes.Removing,
        status=202,
        errors=(403, 409),
    ),
    Operation(
        "POST",
        "/cluster/nodes/{node}/drain",
        "drainNode",
        "Have a node serve no clients, or serve them again.",
        "cluster",
        NewDrain,
        shapes.Draining,
        status=202,
    ),
    Operation(
        "POST",
        "/reload",
        "reload",
        "Have this node read its settings again.",
        "cluster",
        reply=shapes.Reloaded,
        errors=(409,),
    ),
)

_BACKUPS: Final = (
    Operation(
        "POST",
        "/backups",
        "beginBackup",
        "Begin to copy the state.",
        "backups",
        reply=shapes.BackupInfo,
        status=201,
        errors=(403, 409),
    ),
    Operation("GET", "/backups/{name}", "showBackup", "Tell how far it is.", "backups", reply=shapes.BackupInfo),
    Operation("DELETE", "/backups/{name}", "endBackup", "Remove the copy.", "backups", status=204),
    Operation(
        "GET",
        "/backups/{name}/parts/{part}",
        "readBackup",
        "Read bytes of a part, at most 1 MiB at once.",
        "backups",
        reply=bytes,
        parameters=(
            Parameter("offset", _Offset, "Where to begin.", is_needed=True),
            Parameter("size", _Offset, "How many bytes.", is_needed=True),
        ),
    ),
)


_BUSINESSES: Final = (
    Operation(
        "GET",
        "/businesses",
        "listBusinesses",
        "List businesses, by id.",
        "businesses",
        reply=views.BusinessPage,
        parameters=(_after(), _limit(BUSINESS_COUNT_MAX)),
    ),
    Operation(
        "POST",
        "/businesses",
        "createBusiness",
        "Create a business with an application, a token and a number.",
        "businesses",
        bodies.NewBusiness,
        views.CreatedBusiness,
        status=201,
        errors=(409,),
    ),
    Operation("GET", "/businesses/{id}", "showBusiness", "Show a business.", "businesses", reply=views.BusinessInfo),
    Operation(
        "DELETE", "/businesses/{id}", "deleteBusiness", "Delete a business, all of it.", "businesses", status=204
    ),
    Operation(
        "POST",
        "/businesses/{id}/numbers",
        "addNumber",
        "Give a business another number.",
        "businesses",
        bodies.NewNumber,
        views.NumberInfo,
        status=201,
        errors=(409,),
    ),
    Operation("GET", _NUMBER, "showNumber", "Show a number.", "businesses", reply=views.NumberInfo),
    Operation(
        "PATCH", _NUMBER, "changeNumber", "Name or limit it.", "businesses", bodies.NumberChange, views.NumberInfo
    ),
    Operation("DELETE", _NUMBER, "removeNumber", "Remove a number with its account.", "businesses", status=204),
    Operation(
        "POST",
        "/businesses/{id}/apps",
        "createApp",
        "Give a business another application.",
        "businesses",
        bodies.NewApp,
        views.CreatedApp,
        status=201,
        errors=(409,),
    ),
    Operation("GET", _APP, "showApp", "Show an application.", "businesses", reply=views.AppDetails),
    Operation("DELETE", _APP, "deleteApp", "Delete an application, all of it.", "businesses", status=204),
    Operation(
        "POST",
        f"{_APP}/secret",
        "rotateSecret",
        "Give it another secret.",
        "businesses",
        reply=views.CreatedApp,
        errors=(409,),
    ),
    Operation(
        "PUT",
        f"{_APP}/streams",
        "setStreams",
        "Keep events for streams.",
        "businesses",
        bodies.Streams,
        views.AppDetails,
    ),
    Operation("GET", f"{_APP}/tokens", "listTokens", "List tokens.", "businesses", reply=views.TokenList),
    Operation(
        "POST",
        f"{_APP}/tokens",
        "issueToken",
        "Issue a token, which is told once.",
        "businesses",
        bodies.NewToken,
        views.IssuedToken,
        status=201,
        errors=(409,),
    ),
    Operation("DELETE", f"{_APP}/tokens/{{token}}", "revokeToken", "Revoke a token.", "businesses", status=204),
    Operation("GET", f"{_APP}/callbacks", "listCallbacks", "List callbacks.", "businesses", reply=views.CallbackList),
    Operation(
        "PUT",
        f"{_APP}/callbacks",
        "setCallback",
        "Set a callback, once its receiver has shown that it expects us.",
        "businesses",
        bodies.NewCallback,
        views.CallbackList,
    ),
    Operation(
        "DELETE",
        f"{_APP}/callbacks",
        "removeCallback",
        "Remove a callback.",
        "businesses",
        status=204,
        parameters=(Parameter("scope", str, "Of which scope; `app` when it is not said."),),
    ),
)

_EVENTS: Final = (
    Operation(
        "GET",
        _LETTERS,
        "listDeadLetters",
        "List events that no receiver took, the oldest first.",
        "businesses",
        reply=views.DeadLetterPage,
        parameters=(Parameter("after", _EventId, "Begin after this one."), _limit(EVENT_PAGE_MAX)),
    ),
    Operation(
        "POST",
        f"{_LETTERS}/replay",
        "replayDeadLetters",
        "Let dead letters be delivered again.",
        "businesses",
        bodies.DeadLetters,
        views.DeadLettersLeft,
    ),
    Operation(
        "DELETE", _LETTERS, "discardDeadLetters", "Forget all dead letters.", "businesses", reply=views.DeadLettersLeft
    ),
    Operation(
        "DELETE", f"{_LETTERS}/{{letter}}", "discardDeadLetter", "Forget a dead letter.", "businesses", status=204
    ),
    Operation(
        "GET",
        "/business-audit",
        "listBusinessAudit",
        "List who changed what, the latest first.",
        "businesses",
        reply=views.AuditPage,
        parameters=(
            Parameter("business", str, "Of which business; of all when it is not said."),
            Parameter("before", Annotated[str, Meta(pattern="^[0-9]{1,18}$")], "Begin before this line."),
            _limit(EVENT_PAGE_MAX),
        ),
    ),
)

OPERATIONS: Final[tuple[Operation, ...]] = (*_ACCOUNTS, *_SERVICE, *_CLUSTER, *_BACKUPS, *_BUSINESSES, *_EVENTS)
"""The document itself is not among them: it is how they are found."""
