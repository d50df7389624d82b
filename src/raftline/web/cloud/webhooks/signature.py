"""
How a receiver knows that a POST comes from here: `X-Hub-Signature-256`, as Meta's webhooks have it.

The key is the application's secret as programs know it, the text of its hexadecimal digits.
"""

from __future__ import annotations

import hmac
from typing import Final

SIGNATURE_HEADER: Final = "X-Hub-Signature-256"


def sign(secret: bytes, body: bytes) -> str:
    """
    Return the value of the header for a body.

    Args:
        secret: Of the application, as tables.App has it.
    """
    return f"sha256={hmac.digest(secret.hex().encode(), body, 'sha256').hex()}"
