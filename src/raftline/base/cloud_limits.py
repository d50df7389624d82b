"""Bounds of the Cloud API's HTTP edge (web/cloud); most of them are those that its contract names."""

from __future__ import annotations

from typing import Final

CLOUD_BODY_BYTES_MAX: Final = 131_072
"""Greatest JSON body; the longest text, with each character escaped, needs a third of it."""

CLOUD_PATH_PART_COUNT_MAX: Final = 6
"""Segments of a path after the version; none has more."""

CLOUD_RETRY_AFTER_S: Final = 1
"""A cluster that lost its leader has a new one within a second, or has no majority."""

CLOUD_STANZA_BYTES_MAX: Final = 131_072
"""Greatest stanza that a request may become; half of what clients are told they may send."""

CLOUD_WAIT_S: Final = 4.0
"""A quorum is waited for so long; many programs wait for five seconds, and are to hear why they waited."""

SEND_ATTEMPT_COUNT_MAX: Final = 3
"""Attempts under one key while the outcome is not known, all of them within `CLOUD_WAIT_S`."""

TEXT_LENGTH_MAX: Final = 4_096
"""Characters of a text message."""

CAPTION_LENGTH_MAX: Final = 1_024
"""Characters of a caption, of the body of an interactive message, and of a template's body with its parameters."""

HEADER_LENGTH_MAX: Final = 60
"""Characters of the header or the footer of an interactive message."""

OPTION_ID_LENGTH_MAX: Final = 256
"""Characters of the id of a button or a row, and of the payload of a quick reply."""

BUTTON_COUNT_MAX: Final = 3
"""Reply buttons of an interactive message."""

BUTTON_TITLE_LENGTH_MAX: Final = 20
"""Characters of the title of a button, and of what opens a list or an address."""

ROW_COUNT_MAX: Final = 10
"""Rows of a list, in all its sections."""

ROW_TITLE_LENGTH_MAX: Final = 24
"""Characters of the title of a row or of a section."""

ROW_DESCRIPTION_LENGTH_MAX: Final = 72
"""Characters of the description of a row."""

LINK_LENGTH_MAX: Final = 2_048
"""Characters of an address of a file or a page."""

LINK_WAIT_S: Final = 3.0
"""A send waits so long for a file that it names by its address; then the address itself is sent."""

LINK_FETCH_S: Final = 60.0
"""Such a file is fetched for so long, for the next send that names it."""

LINK_FETCH_COUNT_MAX: Final = 32
"""Such files that a node fetches at once; for further ones the address is sent."""

LINK_REMEMBERED_S: Final = 600.0
"""What was fetched from an address is taken for what is there for so long."""

LINK_REMEMBERED_COUNT_MAX: Final = 4_096
"""Addresses of which a node remembers this."""

LINK_REST_S: Final = 60.0
"""A host that does not answer is not asked for files again for so long."""

LINK_REDIRECT_COUNT_MAX: Final = 5
"""Redirects that are followed on the way to such a file."""

FILE_NAME_LENGTH_MAX: Final = 240
"""Characters of the name of a document."""

PLACE_LENGTH_MAX: Final = 1_000
"""Characters of the name or the address of a place."""

CONTACT_COUNT_MAX: Final = 50
"""Cards of one message."""

CONTACT_DETAIL_COUNT_MAX: Final = 20
"""Numbers, addresses or links of one card, of each kind."""

OPAQUE_LENGTH_MAX: Final = 512
"""Characters of `biz_opaque_callback_data`."""

QUOTE_LENGTH_MAX: Final = 256
"""Characters of a message that are repeated in an answer, for clients that do not know answers."""

IDEMPOTENCY_KEY_LENGTH_MAX: Final = 255
"""Characters of the header `Idempotency-Key`."""

IMAGE_BYTES_MAX: Final = 5 * 1024 * 1024
"""Of a file that is sent as an image."""

VIDEO_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of a file that is sent as a video."""

AUDIO_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of a file that is sent as a sound."""

DOCUMENT_BYTES_MAX: Final = 100 * 1024 * 1024
"""Of a file that is sent as a document."""

STICKER_BYTES_MAX: Final = 500 * 1024
"""Of a file that is sent as a sticker; one that moves needs the most."""

PACED_KEY_COUNT_MAX: Final = 100
"""Repeats of one request that may be refused for sending too fast, in a day; further ones get the same refusal."""

CLOUD_FORM_PART_COUNT_MAX: Final = 16
"""Values of a form with a file; none has more than three."""

CLOUD_FORM_VALUE_BYTES_MAX: Final = 8_192
"""Bytes of such a value: the description of a group is the longest."""

CLOUD_DRAIN_BYTES_MAX: Final = 16 << 20
"""Bytes of a file that is refused which are read on, so that its sender hears why."""

CLOUD_MEDIA_TTL_MINUTES_MIN: Final = 60
"""Least time for which an uploaded file can be asked to be kept."""

CLOUD_MEDIA_TTL_MINUTES_MAX: Final = 30 * 24 * 60
"""Greatest such time, which counts when nothing is asked for."""

CLOUD_PAGE_ROW_COUNT: Final = 25
"""Items of a page of a list when nothing is asked for."""

CLOUD_PAGE_ROW_COUNT_MAX: Final = 1_000
"""Greatest number of items of a page; whoever asks for more gets so many."""

CLOUD_BLOCK_COUNT_MAX: Final = 1_000
"""People whom one request blocks or unblocks; a block list has hardly more (BLOCKED_ADDRESS_COUNT_MAX)."""

CLOUD_UPLOAD_SESSION_AGE_MAX_MS: Final = 24 * 60 * 60 * 1000
"""Time for which a resumable upload can be completed."""

CLOUD_PROFILE_PICTURE_BYTES_MAX: Final = 5 << 20
"""Bytes of the picture of a profile; people are shown one that is made small."""

CLOUD_PROFILE_PICTURE_WAIT_S: Final = 5.0
"""Time for which a request waits until a large picture was made small."""

GROUP_PAGE_COUNT_MAX: Final = 100
"""Groups of a page, each with its people."""

GROUP_PICTURE_BYTES_MAX: Final = 96_000
"""Of the picture of a group: what the card of a room has place for (ROOM_VCARD_SIZE_MAX)."""

GROUP_PICTURE_SIDE_MIN: Final = 192
"""Pixels on each side of the picture of a group."""

GROUP_LINK_RENEWED_MS: Final = 45 * 24 * 60 * 60 * 1000
"""Time that the link to a group is good for at least when it is told; half of INVITE_LIFETIME_MAX_MS."""
