"""
Every bound of the system that more than one floor has to know, each with its reason.

A limit that replicated code obeys decides what rows exist, so it may only change together with the machine version.
"""

from __future__ import annotations

from typing import Final

LOCALPART_SIZE_MAX: Final = 1023
"""Bytes of a localpart in UTF-8 (RFC 7622 section 3.3.1)."""

RESOURCE_SIZE_MAX: Final = 1023
"""Bytes of a resourcepart in UTF-8 (RFC 7622 section 3.4.1)."""

JID_SIZE_MAX: Final = 3071
"""Bytes of a whole JID: three parts of 1,023 bytes and two separators (RFC 7622 section 3.1)."""

ACCOUNT_CREDENTIAL_COUNT_MAX: Final = 8
"""Credentials of one account: one for each SCRAM mechanism, with room for the hash functions to come."""

ACCOUNT_SESSION_COUNT_MAX: Final = 32
"""Sessions of one account: each message is copied to all of them, and few people own more than ten devices."""

INVITATION_AGE_MAX_MS: Final = 24 * 60 * 60 * 1000
"""Cluster time for which a new node may join by its token: a machine is set up within a day."""

INVITATION_DIGEST_SIZE: Final = 32
"""Bytes of the digest that an invitation's token is kept by."""

ACCOUNT_INVITE_COUNT_MAX: Final = 32
"""Invitations of one account that are open (XEP-0401): a class or a family, not an advertisement."""

OPERATOR_INVITE_COUNT_MAX: Final = 10_000
"""Invitations of operators that are open: each keeps a name, or lets somebody in."""

INVITE_LIFETIME_MIN_MS: Final = 60_000
"""Least cluster time for which an invitation is good."""

INVITE_LIFETIME_MS: Final = 7 * 24 * 60 * 60 * 1000
"""Cluster time for which an invitation is good unless another one is asked for: the week of XEP-0379 section 5.2."""

INVITE_LIFETIME_MAX_MS: Final = 90 * 24 * 60 * 60 * 1000
"""Greatest such time: as long as an invitation is open, its name is kept from everyone else."""

INVITE_GRACE_MS: Final = 15 * 60 * 1000
"""
Cluster time for which a token that was shown in time may still open an account (XEP-0445 section 4): longer than a
stream may take to authenticate.
"""

ROOM_INVITE_COUNT_MAX: Final = 128
"""Invitations by link to one room that are open."""

ROOM_INVITE_USE_COUNT_MAX: Final = 1024
"""How many may come by one of them: as many as a group is meant to have."""

INVITE_DIGEST_SIZE: Final = 32
"""Bytes of the digest that the token of an invitation is kept by."""

INVITE_TOKEN_SIZE_MAX: Final = 128
"""Characters of a token that is looked at; ours have 24."""

NODE_ADDRESS_SIZE_MAX: Final = 255
"""Characters of an address that a node tells clients of."""

ROSTER_ITEM_COUNT_MAX: Final = 4096
"""Items of one roster: presence is broadcast to all of them in one command."""

ROSTER_REMOVAL_COUNT_MAX: Final = 1024
"""Removed items an account remembers, so that a session that waited to be resumed can be told of them."""

ROSTER_NAME_SIZE_MAX: Final = 1023
"""Bytes of the name of a roster item; RFC 6121 section 2.1.2.4 leaves the bound to the server."""

ROSTER_GROUP_COUNT_MAX: Final = 64
"""Groups of one roster item."""

ROSTER_GROUP_SIZE_MAX: Final = 1023
"""Bytes of the name of a roster group; RFC 6121 section 2.1.2.6 leaves the bound to the server."""

SUBSCRIPTION_REQUEST_COUNT_MAX: Final = 1024
"""Unanswered subscription requests an account keeps: they are sent again with each initial presence."""

OFFLINE_MESSAGE_COUNT_MAX: Final = 10_000
"""Offline messages of one account (XEP-0160 section 3): all are delivered by one command."""

BLOCKED_ADDRESS_COUNT_MAX: Final = 1024
"""Addresses one account blocks: all are held in memory while the account is talked to."""

PRIVATE_ELEMENT_COUNT_MAX: Final = 64
"""Elements of one account's private storage (XEP-0049): clients keep one for each of their features."""

PRIVATE_ELEMENT_SIZE_MAX: Final = 65_536
"""Bytes of one element of private storage, as XML."""

VCARD_SIZE_MAX: Final = 131_072
"""Bytes of a vCard, as XML: room for a photograph of 64 KiB, eight times what XEP-0153 section 5 advises, in base64."""

INBOX_MESSAGE_COUNT_MAX: Final = 10_000
"""Messages a session may owe acknowledgement for before it counts as one that takes no more."""

INBOX_PAGE_ROW_COUNT_MAX: Final = 100
"""Messages that one answer gives a session which continues from its cursor."""

INBOX_PAGE_BYTES_MAX: Final = 1_048_576
"""Bytes of stanzas after which such an answer ends, since greatest stanzas would make it 25 MiB."""

RESUMPTION_TIMEOUT_S_MAX: Final = 600
"""Seconds for which a session may wait to be resumed: all the time it takes messages that nobody reads."""

RESUMPTION_TOKEN_SIZE: Final = 16
"""Bytes of chance in a resumption id: nobody guesses it (XEP-0198 section 5)."""

LOGIN_TOKEN_LIFETIME_MS: Final = 21 * 24 * 60 * 60 * 1000
"""Cluster time for which a login token is good (XEP-0484 section 4.2): a device that is put away for a holiday."""

LOGIN_TOKEN_ROTATION_MS: Final = 24 * 60 * 60 * 1000
"""Cluster time after which the use of a login token earns a new one, so that a stolen one is soon of no use."""

LOGIN_TOKEN_AGE_MAX_MS: Final = LOGIN_TOKEN_LIFETIME_MS + 7 * 24 * 60 * 60 * 1000
"""Cluster time for which it is known that a login token has expired, so that its holder is told."""

LOGIN_TOKEN_CLIENT_COUNT_MAX: Final = 64
"""Client installations of an account that have login tokens: browsers leave some behind."""

LOGIN_TOKEN_PART_SIZE_MAX: Final = 64
"""Bytes of each thing that is kept of a login token: a key or a digest, or a name."""
ROOM_OCCUPANT_COUNT_MAX: Final = 4096
"""Nicknames in one room: all of them are named by each event of a message, and shown to a newcomer."""

ROOM_AFFILIATION_COUNT_MAX: Final = 4096
"""Names on all lists of one room: a list is answered as a whole."""

ROOM_OWNED_COUNT_MAX: Final = 256
"""Rooms of which an account may be an owner and still make another."""

ROOM_CHANGE_MEMORY_COUNT_MAX: Final = 1024
"""Changes of a room's lists that are remembered (XEP-0463): who was away for longer gets the lists as a whole."""

ROOM_CHANGE_COUNT_MAX: Final = 128
"""Changes of roles and affiliations that one request asks for: all are carried out by one command."""

ROOM_JOIN_REQUEST_COUNT_MAX: Final = 64
"""Requests to join one room that wait for an answer: an admin who enters is shown all of them."""

ACCOUNT_JOIN_REQUEST_COUNT_MAX: Final = 32
"""Requests of one account that wait, in all rooms."""

JOIN_REQUEST_AGE_MAX_MS: Final = 14 * 24 * 60 * 60 * 1000
"""Cluster time for which one waits: an admin who is on holiday finds it."""

SLOW_MODE_S_MAX: Final = 6 * 60 * 60
"""Longest time that a room may have pass between two messages of one account (XEP-0500), in seconds."""

REACTION_COUNT_MAX: Final = 16
"""Reactions of one message that somebody without voice may send (XEP-0444)."""

REACTION_SIZE_MAX: Final = 64
"""Bytes of each of them: an emoji with all that is joined to it has some forty."""

ROOM_HISTORY_COUNT_MAX: Final = 100
"""Messages that a newcomer is shown; older ones are in the archive."""

ROOM_PAGE_ROW_COUNT_MAX: Final = 100
"""Rooms that one page of the list of rooms holds."""

ROOM_PRESENCE_SIZE_MAX: Final = 8192
"""Bytes inside the presence of an occupant: it is kept, and sent to everyone in the room."""

ROOM_REASON_SIZE_MAX: Final = 1024
"""Bytes of the reason that somebody gives for what they do in a room."""

ROOM_TITLE_SIZE_MAX: Final = 1024
"""Characters of a room's title, and of its description."""

ROOM_PASSWORD_SIZE_MAX: Final = 256
"""Characters of a room's password."""

ROOM_SECRET_SIZE_MAX: Final = 64
"""Bytes of chance that a room makes occupant ids with: the longest key of BLAKE2b."""

ROOM_VCARD_SIZE_MAX: Final = 131_072
"""Bytes of a room's vCard, as that of an account."""

ROOM_STATE_AUDIENCE_MAX: Final = 128
"""Sessions in a room to which a chat state or a marker is sent; in a larger crowd nobody watches who types or reads."""

ROOM_ALERT_STEP_COUNT_MAX: Final = 32
"""Members of one room that one command has told by push of what was said; more of them are told in steps."""

ROOM_ALERT_ROOM_COUNT_MAX: Final = 4
"""Rooms of which one command takes such a step."""

ROOM_ALERT_INTERVAL_MS: Final = 3_000
"""Cluster time between the beginnings of two rounds of steps in one room: what is said meanwhile is told together."""

ROOM_MENTION_ALERT_COUNT_MAX: Final = 32
"""Members whom one message mentions that are told at once; the others are told as if they were not mentioned."""

ROOM_OWED_ALERT_REACH_MAX: Final = 100
"""Messages of one room, from its end, among which is looked for what a device that went away never acknowledged."""

SESSION_ROOM_COUNT_MAX: Final = 256
"""Rooms that one session is in, those included that it left and may be owed messages of."""

ENDED_SESSION_AGE_MAX_MS: Final = 24 * 60 * 60 * 1000
"""Cluster time for which it is known how far a resumable session had come when it ended: a night without network."""

LEFT_RESOURCE_AGE_MAX_MS: Final = 60 * 60 * 1000
"""
Cluster time for which it is known that a resource left: longer than a session waits to be resumed, and than a dead
connection is taken for alive before that.
"""

EXPIRED_SESSION_COUNT_MAX: Final = 256
"""Sessions that one command ends because nobody resumed them; what is left is the next command's."""

EXPIRED_MESSAGE_COUNT_MAX: Final = 256
"""Messages that one command lets disappear; what is left is the next command's."""

EXPIRED_UPLOAD_COUNT_MAX: Final = 64
"""Slots and files of uploads that one command lets expire."""

EXPIRED_ITEM_COUNT_MAX: Final = 16
"""Items of nodes that one command lets expire, each of which all contacts may be told of."""

EXPIRED_JOIN_REQUEST_COUNT_MAX: Final = 64
"""Requests to join rooms that one command lets expire."""

EPHEMERAL_TIMER_S_MIN: Final = 1
"""Seconds after which a message disappears (XEP-0466) at the earliest: no delay at all would be no message."""

EPHEMERAL_TIMER_S_MAX: Final = 365 * 24 * 60 * 60
"""Seconds after which a message disappears at the latest: a year. What is to stay longer is to stay."""

OPEN_REQUEST_COUNT_MAX: Final = 128
"""IQ requests of a session whose answers are kept until the client has them; beyond it the oldest is forgotten."""

OPEN_REQUEST_SIZE_MAX: Final = 4096
"""Bytes of id and address of such a request; an address alone may have 3,071."""

ARCHIVE_PAGE_ROW_COUNT_MAX: Final = 100
"""Rows of one page of an archive."""

ARCHIVE_RULE_COUNT_MAX: Final = 1024
"""Addresses in the archive preferences of one account (XEP-0441): all are held in memory while it is talked to."""

RETRACTED_MESSAGE_COUNT_MAX: Final = 32
"""Messages that one retraction takes back: a message and its corrections."""

RETRACTION_SEARCH_ROW_COUNT_MAX: Final = 2_000
"""Messages of a conversation that are looked through at once for the one that is retracted: some 2 ms."""

RETRACTION_REACH_MAX: Final = 50_000
"""
Messages of a conversation, counted from its end, among which one that is retracted is looked for. Whoever asks for what
is not there costs a node some 50 ms, a few at a time.
"""

UNREAD_REACH_MAX: Final = 1_000
"""
Messages of a conversation, counted from its end, among which unread ones are counted, and one that a marker names is
looked for. Nobody reads the difference between a thousand unread messages and more; they cost a node some 8 ms.
"""

UNREAD_TOTAL_MAX: Final = 10_000
"""Unread messages of one list of conversations after which no conversation is counted beyond `UNREAD_REACH_MIN`."""

UNREAD_REACH_MIN: Final = 100
"""As `UNREAD_REACH_MAX`, then: clients write 99+."""

LAST_MESSAGE_REACH_MAX: Final = 100
"""Messages of a conversation, counted from its end, among which the one that is shown beside it is looked for."""

CONVERSATION_SLICE_COUNT_MAX: Final = 512
"""Conversations that one answer covers: some 3 ms when all is read."""

CONVERSATION_SLICE_ROW_COUNT_MAX: Final = 500
"""Messages read for what is unread after which such an answer ends: with the last conversation, some 4 ms."""

CONVERSATION_ROOM_COUNT_MAX: Final = 1_024
"""Rooms among the conversations of an account for no other reason than that they have it on their lists."""

CONVERSATION_PAGE_COUNT_MAX: Final = 100
"""Conversations on one page of the list (XEP-0430)."""

CONVERSATION_PAGE_BYTES_MAX: Final = 1_048_576
"""Bytes of last messages after which such a page ends, since greatest stanzas would make it 25 MiB."""

TICKS_MESSAGE_COUNT_MAX: Final = 100
"""Messages that one question for ticks names: as many as are on a screen, and some."""

READER_REACH_MAX: Final = 8
"""Last messages of somebody in a room that are looked through for one that tells how far they have read."""

READER_SLICE_COUNT_MAX: Final = 128
"""People of a room that are asked about at once: some 3 ms."""

READER_COUNT_MAX: Final = 256
"""People that an answer names who have read a message; all are counted."""

SEARCH_TEXT_SIZE_MAX: Final = 256
"""Characters of a text that archives are searched for (XEP-0431)."""

SEARCHED_TEXT_SIZE_MAX: Final = 16_384
"""Characters of a message that searches look at: indexing them takes some 4 ms, during which nothing is applied."""

SEARCH_WINDOW_ROW_COUNT_MAX: Final = 10_000
"""Archived messages that are searched at once through the index: one to five milliseconds."""

UNINDEXED_WINDOW_ROW_COUNT_MAX: Final = 64
"""Archived messages that are searched at once without it, by reading them: some 3 ms."""

REPORT_COUNT_MAX: Final = 10_000
"""Reports of spam and abuse that are kept (XEP-0377); beyond it the oldest is forgotten."""

REPORT_AGE_MAX_MS: Final = 180 * 24 * 60 * 60 * 1000
"""Cluster time after which a report is forgotten, closed or not."""

REPORT_PAGE_ROW_COUNT_MAX: Final = 100
"""Reports of one page."""

REPORT_EXCERPT_CHARACTERS_MAX: Final = 500
"""Of the text of a reported message that operators are shown."""

REPORT_NOTICE_INTERVAL_MS: Final = 60 * 1000
"""Administrators are told of a report only when there was none for so long: nobody floods them by reporting."""

REPORT_NOTICE_LINE_COUNT_MAX: Final = 10
"""Reports of one request that such a notice names."""

ACCOUNT_REPORT_COUNT_MAX: Final = 100
"""Reports of one account that are kept, so that no account floods the operators; the oldest goes first."""

REPORT_MESSAGE_COUNT_MAX: Final = 32
"""Messages that one report names."""

REPORT_TEXT_SIZE_MAX: Final = 4096
"""Bytes of what a reporter wrote."""

REPORT_REASON_SIZE_MAX: Final = 255
"""Bytes of the URN that says why."""

ACCOUNT_PAGE_ROW_COUNT_MAX: Final = 1000
"""Rows of one page of the list of accounts."""

COMMAND_SESSION_COUNT_MAX: Final = 16
"""Ad-hoc commands that one stream may have begun (XEP-0050); beyond it the oldest is forgotten."""

ADMINISTERED_ACCOUNT_COUNT_MAX: Final = 100
"""Accounts that one command of an administrator may name (XEP-0133)."""

IDEMPOTENCY_AGE_MAX_MS: Final = 24 * 60 * 60 * 1000
"""Cluster time for which the outcome of a keyed command is kept: longer than any retry lasts."""

ORIGIN_ID_AGE_MAX_MS: Final = 7 * 24 * 60 * 60 * 1000
"""Cluster time for which an origin id is remembered: a client that was off the net over a week's holiday."""

COMPONENT_COUNT_MAX: Final = 64
"""Components a cluster remembers (XEP-0114): each is a setting of its operators."""

COMPONENT_LABEL_SIZE_MAX: Final = 63
"""Bytes of a component's label, one label of a domain name (RFC 1035 section 2.3.4)."""

COMPONENT_QUEUE_COUNT_MAX: Final = 10_000
"""Messages that a component has not acknowledged, or that wait for it to be connected."""

COMPONENT_REQUEST_COUNT_MAX: Final = 1024
"""IQ requests to one component that are remembered, so that its end is an answer to them; beyond, the oldest is not."""

PUBSUB_NODE_COUNT_MAX: Final = 256
"""Nodes of one account (XEP-0163): clients keep one or two for each of their features, OMEMO one for each device."""

PUBSUB_ITEM_COUNT_MAX: Final = 1024
"""Items of one node, and what `max` stands for in its configuration: a node is emptied by one command."""

PUBSUB_ITEM_SIZE_MAX: Final = 131_072
"""Bytes of an item's payload, as XML: room for the picture of a vCard (XEP-0084)."""

PUBSUB_ITEM_EXPIRE_S_MAX: Final = 365 * 24 * 60 * 60
"""Seconds after which the items of a node expire at the latest, unless they never do (XEP-0060 section 16.4.4)."""

LOCATION_INTERVAL_MIN_MS: Final = 1000
"""Cluster time between two updates of an account's location (XEP-0080): a receiver says each second where it is."""

PUBSUB_ACCOUNT_SIZE_MAX: Final = 16 * 1_048_576
"""Bytes of all items of one account, ids included."""

PUBSUB_NAME_SIZE_MAX: Final = 1024
"""Bytes of the name of a node, and of the id of an item; most are namespaces, JIDs or hashes."""

PUBSUB_TEXT_SIZE_MAX: Final = 1024
"""Bytes of a title, description or type in the configuration of a node."""

PUBSUB_AFFILIATION_COUNT_MAX: Final = 256
"""Addresses that have an affiliation with one node."""

PUBSUB_SUBSCRIPTION_COUNT_MAX: Final = 1024
"""Subscriptions by name to one node; contacts need none."""

PUBSUB_PAGE_BYTES_MAX: Final = 1_048_576
"""Bytes of payloads after which one answer with items ends."""

PUBSUB_CATCH_UP_COUNT_MAX: Final = 256
"""Items, and removals, of one account that a resumed session is told of."""

PUBSUB_REMOVAL_AGE_MAX_MS: Final = 60 * 60 * 1000
"""Cluster time for which it is known that an item went: as long as that a resource left, for the same reason."""

PUSH_REGISTRATION_COUNT_MAX: Final = 16
"""Nodes of push services that one account has enabled: one for each app of each device."""

PUSH_NODE_SIZE_MAX: Final = 1024
"""Bytes of the name of such a node, as of any node of publish-subscribe."""

PUSH_OPTIONS_SIZE_MAX: Final = 4096
"""Bytes of the publish options of one, as XML: a secret or a token."""

PUSH_WAITING_COUNT_MAX: Final = 1000
"""Notifications that one registration has not got through: the latest says what all say, so the oldest gives way."""

PUSH_NOTIFICATION_AGE_MAX_MS: Final = 24 * 60 * 60 * 1000
"""Cluster time after which a notification is not published any more: who has not looked for a day looks anyway."""

PUSH_FAILURE_COUNT_MAX: Final = 16
"""Transient errors of a push service in a row after which it is not tried again (XEP-0357 section 7.1)."""

PUSH_BACKOFF_MS_MAX: Final = 60 * 60 * 1000
"""Longest cluster time for which a registration rests after such an error; with the count it lasts some hours."""

CAPABILITY_COUNT_MAX: Final = 4096
"""Verified hashes of capabilities the cluster remembers (XEP-0115): one for each version of each client in use."""

CAPABILITY_NODE_COUNT_MAX: Final = 128
"""Nodes that one client wants to hear of; clients of today name some twenty."""

CAPABILITY_NODES_SIZE_MAX: Final = 8192
"""Bytes of their names together."""

CAPABILITY_TEXT_SIZE_MAX: Final = 1023
"""Bytes of a hash, of its algorithm's name and of the software's name, as a client writes them into its presence."""

UPLOAD_TOKEN_SIZE: Final = 16
"""Bytes of chance in the address of an uploaded file: nobody guesses it (XEP-0363 section 11.3)."""

UPLOAD_DIGEST_SIZE: Final = 32
"""Bytes of the SHA-256 that a file is known by."""

UPLOAD_NAME_SIZE_MAX: Final = 255
"""Bytes of the name of an uploaded file: what file systems take."""

UPLOAD_CONTENT_TYPE_SIZE_MAX: Final = 255
"""Characters of the media type of an uploaded file: RFC 6838 section 4.2 has 127 for each half."""

UPLOAD_SLOT_COUNT_MAX: Final = 20
"""Slots of one account that wait for their file: a few pictures are sent at once."""

UPLOAD_SLOT_LIFETIME_MS: Final = 300_000
"""Cluster time for which a slot waits (XEP-0363 section 8), beside the time that its file takes."""

UPLOAD_RATE_MIN: Final = 65_536
"""Bytes a second that an upload is expected to have at least."""

UPLOAD_SIZE_MAX: Final = 4 << 30
"""Bytes of one file, whatever an operator allows: a slot for it ends after some 18 hours."""

STORED_FILE_GRACE_MS: Final = 20 * 60 * 60 * 1000
"""
Cluster time after which a node deletes bytes that nobody refers to. Greater than the longest life of a slot, so that
bytes which a node said it has are there when they are first referred to; less than a day, after which what is deleted
is gone.
"""
assert STORED_FILE_GRACE_MS > UPLOAD_SLOT_LIFETIME_MS + UPLOAD_SIZE_MAX * 1000 // UPLOAD_RATE_MIN

STORED_FILE_PAGE_ROW_COUNT_MAX: Final = 500
"""Files that one answer names when a node compares its disk with them."""

MEDIA_PIXEL_COUNT_MAX: Final = 64_000_000
"""Pixels of a picture or of a frame that is looked into: 256 MB as they are decoded, more than cameras make."""

THUMBNAIL_EDGE_MAX: Final = 320
"""Pixels of the longer side of a thumbnail."""

THUMBNAIL_BYTES_MAX: Final = 262_144
"""Bytes of a thumbnail; 320 by 320 pixels that compress badly."""

WAVEFORM_SIZE: Final = 64
"""Parts of a sound of which it is told how loud they are: as many bars as a bubble of a chat has room for."""

RETENTION_AGE_MIN_MS: Final = 24 * 60 * 60 * 1000
"""Cluster time for which things are kept at least, whatever an operator sets: longer than a session waits."""

RETENTION_AGE_MAX_MS: Final = 36_500 * 24 * 60 * 60 * 1000
"""Cluster time for which things are kept at most, if there is a limit at all."""

RETENTION_ROW_COUNT_MAX: Final = 512
"""Rows that one step of retention deletes: some milliseconds of apply, once a second."""

RETENTION_OWNER_COUNT_MAX: Final = 64
"""Archives that one step of retention looks into."""

KEPT_ACCOUNT_COUNT_MAX: Final = 64
"""Deleted accounts whose leftovers one command lets go."""

RETENTION_ROUND_MS: Final = 3_600_000
"""Cluster time between two rounds of retention: how much longer than the limit things may stay."""

DESCRIPTION_AGE_MAX_MS: Final = 3_600_000
"""Cluster time for which the thumbnail of a description counts as kept before anything refers to it."""
assert DESCRIPTION_AGE_MAX_MS < STORED_FILE_GRACE_MS

EXPORT_PAGE_BYTES_MAX: Final = 1_048_576
"""Stanzas of one page of an export; one that is larger makes a page by itself."""

IMPORT_STANZA_SIZE_MAX: Final = 1_048_576
"""Of a message that is imported, in bytes: what a server's own limit for stanzas may be at most."""

POLL_OPTION_COUNT_MIN: Final = 2
"""Options of a poll, at least: one would be no question."""

POLL_OPTION_COUNT_MAX: Final = 12
"""Options of a poll, at most: what people look through at a glance."""

POLL_TITLE_SIZE_MAX: Final = 1024
"""Bytes of the question of a poll, or of the title of an event."""

POLL_OPTION_SIZE_MAX: Final = 512
"""Bytes of one option."""

POLL_DURATION_MAX_MS: Final = 2 * 366 * 24 * 60 * 60 * 1000
"""Cluster time after which a poll or an event ends by itself, at most: next year's holiday is planned this year."""

POLL_OPEN_COUNT_MAX: Final = 64
"""Polls and events of one conversation that are open; those that have ended live as long as their messages."""

POLL_VOTER_COUNT_MAX: Final = 16_384
"""Accounts whose choice one poll counts: all members of a room, and as many again who came and went."""

POLL_NEWS_INTERVAL_MS: Final = 1000
"""Cluster time between two tellings of one count to those who are there: nobody reads faster."""

POLL_NEWS_CROWD_INTERVAL_MS: Final = 10_000
"""Such time in a crowd, where a telling is a stanza to each of a thousand."""

POLL_PAGE_ROW_COUNT_MAX: Final = 50
"""Polls or events that one answer tells of."""

POLL_NAMED_VOTER_COUNT_MAX: Final = 1024
"""Voters that one answer names, the first ones: some 200 KiB."""

EXPIRED_POLL_COUNT_MAX: Final = 64
"""Polls and events that one command ends because their time is over, each of which all are told of."""

TOLD_POLL_COUNT_MAX: Final = 64
"""Counts that one command tells."""

EVENT_TEXT_SIZE_MAX: Final = 8192
"""Bytes of the description of an event, and of its place."""

PIN_COUNT_MAX: Final = 32
"""Messages pinned in one conversation: more would be a second history."""

SEALED_COUNT_MAX: Final = 256
"""Messages of one account, to be viewed once, that wait to be opened: each is kept until it is, or its time is over."""

SEALED_LIFETIME_MS: Final = 14 * 24 * 60 * 60 * 1000
"""Cluster time for which what is viewed once may be opened: a fortnight's holiday."""

SEALED_FILE_COUNT_MAX: Final = 32
"""Uploaded files that belong to one such message."""

SEALED_FILE_GRACE_MS: Final = 15 * 60 * 1000
"""Cluster time for which such a file may be fetched after the message was opened: a video by a slow connection."""

EXPIRED_SEALED_COUNT_MAX: Final = 64
"""Such messages whose time is over that one command forgets."""
CONSOLE_STREAM_COUNT_MAX: Final = 32
"""Pages of the console that watch one node at once."""
