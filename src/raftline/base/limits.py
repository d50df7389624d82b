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

ENDED_SESSION_AGE_MAX_MS: Final = 24 * 60 * 60 * 1000
"""Cluster time for which it is known how far a resumable session had come when it ended: a night without network."""

LEFT_RESOURCE_AGE_MAX_MS: Final = 60 * 60 * 1000
"""
Cluster time for which it is known that a resource left: longer than a session waits to be resumed, and than a dead
connection is taken for alive before that.
"""

EXPIRED_SESSION_COUNT_MAX: Final = 256
"""Sessions that one command ends because nobody resumed them; what is left is the next command's."""

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

IDEMPOTENCY_AGE_MAX_MS: Final = 24 * 60 * 60 * 1000
"""Cluster time for which the outcome of a keyed command is kept: longer than any retry lasts."""

ORIGIN_ID_AGE_MAX_MS: Final = 7 * 24 * 60 * 60 * 1000
"""Cluster time for which an origin id is remembered: a client that was off the net over a week's holiday."""
