"""Bounds of businesses (machine/business); what is said in limits.py of changing one counts here as well."""

from __future__ import annotations

from typing import Final

BUSINESS_COUNT_MAX: Final = 1_000
"""Businesses of an installation: all of them are kept in memory."""

BUSINESS_APP_COUNT_MAX: Final = 8
"""Applications of a business: each gets every event of its numbers."""

BUSINESS_NUMBER_COUNT_MAX: Final = 32
"""Numbers of a business."""

BUSINESS_TOKEN_COUNT_MAX: Final = 64
"""Tokens of an application that are good, expired ones included until they are removed."""

BUSINESS_TEMPLATE_COUNT_MAX: Final = 250
"""Templates of a business, as many as an unverified business has there."""

BUSINESS_TEMPLATE_SIZE_MAX: Final = 32_768
"""Bytes of the components of a template, as JSON."""

BUSINESS_NAME_SIZE_MAX: Final = 512
"""Bytes of the name of a business, an application or a token; 128 characters that need four each."""

BUSINESS_PROFILE_SIZE_MAX: Final = 8_192
"""Bytes of a number's profile, as JSON."""

BUSINESS_CALLBACK_SIZE_MAX: Final = 2_048
"""Bytes of the address or the verify token of a callback."""

BUSINESS_SECRET_SIZE: Final = 16
"""Bytes of an application's secret; outside it is written as 32 hexadecimal digits."""

BUSINESS_EVENT_AGE_MAX_MS: Final = 7 * 24 * 60 * 60 * 1000
"""Cluster time after which an event that no receiver took goes to the dead letters, as the Cloud API gives up then."""

DEAD_EVENT_AGE_MAX_MS: Final = 30 * 24 * 60 * 60 * 1000
"""Cluster time for which dead letters are kept, counted from when they died."""

STREAMED_EVENT_AGE_MAX_MS: Final = 24 * 60 * 60 * 1000
"""Cluster time for which an application that reads events as a stream can come back to them."""

EXPIRED_EVENT_COUNT_MAX: Final = 256
"""Events that one command gives up or forgets."""

SETTLED_EVENT_COUNT_MAX: Final = 512
"""Events that one command settles, delivers anew or removes."""

APP_EVENT_COUNT_MAX: Final = 1_000_000
"""Events of an application that wait or are kept; where none of a number's has room, people are refused."""

BUSINESS_MESSAGE_AGE_MAX_MS: Final = 30 * 24 * 60 * 60 * 1000
"""Cluster time for which receipts and references find the message they name, as long as the Cloud API keeps media."""

BUSINESS_MARKED_COUNT_MAX: Final = 256
"""Messages that one marker lets become read; of more, the latest."""

PROMPT_OPTION_COUNT_MAX: Final = 10
"""Buttons or rows of one interactive message."""

BUSINESS_ID_LENGTH_MAX: Final = 512
"""Characters of the id of a button or row, of a message's own id, and of data that a program has handed back to it."""

BUSINESS_AUDIT_COUNT_MAX: Final = 100_000
"""Lines of the audit trail; the oldest go first."""

BUSINESS_PACE_MAX: Final = 100_000
"""Greatest throughput that can be set: messages of a number per second, or of a pair per minute."""

GROUP_SUBJECT_LENGTH_MAX: Final = 128
"""Characters of the name that a program gives a group."""

GROUP_DESCRIPTION_LENGTH_MAX: Final = 1_024
"""Characters of the description that a program gives a group: as many as any room's has."""

GROUP_SHOWN_MEMBER_COUNT_MAX: Final = 1_024
"""Members of a group that programs are shown; how many there are in all is told beside."""

GROUP_COUNT_MAX: Final = 1_000
"""Groups of a number that are listed; it owns ROOM_OWNED_COUNT_MAX of them at most."""

GROUP_REFERENCE_REACH_MAX: Final = 64
"""Messages of a room among which the one is looked for that an id attribute names."""

BUSINESS_TOKEN_LIFETIME_MAX_S: Final = 10 * 365 * 24 * 60 * 60
"""Greatest time for which a token that expires can be asked to be good; without one it does not expire."""

BUSINESS_FIELD_COUNT_MAX: Final = 32
"""Fields that operators subscribe an application to at once."""

DEAD_LETTER_ROUND_COUNT_MAX: Final = 16
"""Commands that one request for all dead letters of an application causes at most; it tells how many are left."""
