"""
How a program of pywa gets to Raftline: all examples begin with this.

What `raftline business create` has printed is read from the environment:

    RAFTLINE_URL      any node: http://127.0.0.1:15002; several with a comma between two, for safe_sending.py
    PHONE_NUMBER_ID, TOKEN, APP_ID, APP_SECRET
    VERIFY_TOKEN      a word of yours; it shows Raftline that it has reached this program
    CALLBACK_URL      where Raftline reaches this program: http://127.0.0.1:8000
    PORT              where this program listens: 8000
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

from pywa import WhatsApp

Client = TypeVar("Client", bound=WhatsApp)

PORT = int(os.environ.get("PORT", "8000"))
NODES = os.environ["RAFTLINE_URL"].split(",")


def connect(kind: type[Client], **options: Any) -> Client:
    """Make a client of pywa, `pywa.WhatsApp` or `pywa_async.WhatsApp`, that speaks to Raftline."""
    wa = kind(
        phone_id=os.environ["PHONE_NUMBER_ID"],
        token=os.environ["TOKEN"],
        app_id=os.environ["APP_ID"],
        app_secret=os.environ["APP_SECRET"],
        verify_token=os.environ["VERIFY_TOKEN"],
        callback_url=os.environ["CALLBACK_URL"],  # pywa tells Raftline once the program listens
        webhook_challenge_delay=1,
        **options,
    )
    wa.api._session.base_url = f"{NODES[0]}/v26.0"  # the one line that is not WhatsApp's
    return wa
