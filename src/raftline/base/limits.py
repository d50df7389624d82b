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

ROSTER_ITEM_COUNT_MAX: Final = 4096
"""Items of one roster: presence is broadcast to all of them in one command."""

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

INBOX_MESSAGE_COUNT_MAX: Final = 10_000
"""Messages a session may owe acknowledgement for before it counts as one that takes no more."""

ARCHIVE_PAGE_ROW_COUNT_MAX: Final = 100
"""Rows of one page of an archive."""

ACCOUNT_PAGE_ROW_COUNT_MAX: Final = 1000
"""Rows of one page of the list of accounts."""

IDEMPOTENCY_AGE_MAX_MS: Final = 24 * 60 * 60 * 1000
"""Cluster time for which the outcome of a keyed command is kept: longer than any retry lasts."""

ORIGIN_ID_AGE_MAX_MS: Final = 7 * 24 * 60 * 60 * 1000
"""Cluster time for which an origin id is remembered: a client that was off the net over a week's holiday."""
