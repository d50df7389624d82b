"""Bounds of webhooks and event streams (web/cloud/webhooks, web/cloud/stream.py)."""

from __future__ import annotations

from typing import Final

WEBHOOK_IN_FLIGHT_COUNT_MAX: Final = 1_024
"""POSTs of a node that have no answer yet."""

WEBHOOK_APP_IN_FLIGHT_COUNT_MAX: Final = 64
"""POSTs of one application that have no answer yet."""

WEBHOOK_SUSPECT_IN_FLIGHT_COUNT_MAX: Final = 4
"""The same, for an application whose receiver has failed several times in a row: slow receivers use up no room."""

WEBHOOK_TARGET_IN_FLIGHT_COUNT_MAX: Final = 128
"""POSTs to one host and port that have no answer yet, of all applications."""

WEBHOOK_WINDOW_COUNT_MAX: Final = 1_024
"""Events of an application that the leader holds in memory; the others are read again when there is room."""

WEBHOOK_LANE_COUNT_MAX: Final = 64
"""Events of one person among these."""

WEBHOOK_TIMEOUT_S: Final = 10.0
"""How long a receiver may take to answer, connecting included."""

WEBHOOK_CONNECT_TIMEOUT_S: Final = 5.0
"""How long connecting to a receiver may take."""

WEBHOOK_RETRY_MIN_S: Final = 1.0
WEBHOOK_RETRY_MAX_S: Final = 300.0
"""How long an event waits after a failure: twice as long each time, up to this."""

WEBHOOK_REST_MAX_S: Final = 60.0
"""How long a host is left alone at most that cannot be connected to; from WEBHOOK_RETRY_MIN_S, twice each time."""

WEBHOOK_ANSWER_BYTES_MAX: Final = 65_536
"""Bytes of a receiver's answer that are read; of a longer one the connection is closed."""

WEBHOOK_CHALLENGE_BYTES_MAX: Final = 4_096
"""Bytes of the answer to a challenge."""

EVENT_STREAM_COUNT_MAX: Final = 256
"""Event streams that one node serves."""

EVENT_STREAM_PER_APP_COUNT_MAX: Final = 8
"""Event streams of one application at one node."""

EVENT_STREAM_HEARTBEAT_S: Final = 15.0
"""How long an event stream says nothing at most: then a comment shows that it is there, and its token is looked at."""

EVENT_STREAM_PAGE_COUNT: Final = 64
"""Events of a stream that are read at a time; the next are read when these have left."""
