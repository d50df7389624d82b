"""What administration refuses of businesses, and why: the same words wherever it is checked."""

from __future__ import annotations

import re
from typing import Final

from raftline.base.business_limits import BUSINESS_CALLBACK_SIZE_MAX, BUSINESS_NAME_SIZE_MAX, BUSINESS_SECRET_SIZE
from raftline.machine import accounts
from raftline.machine.context import Context
from raftline.machine.outcomes import Rejected

NO_BUSINESS: Final = Rejected("item-not-found", "cancel", "There is no such business.")
NO_APP: Final = Rejected("item-not-found", "cancel", "There is no such application.")
NO_NUMBER: Final = Rejected("item-not-found", "cancel", "There is no such number.")
NO_TOKEN: Final = Rejected("item-not-found", "cancel", "There is no such token.")
TOO_LONG: Final = Rejected("not-acceptable", "modify", "A name is empty, or something is too long.")

_NO_DIGITS: Final = Rejected("not-acceptable", "modify", "A number has 7 to 15 digits, the first of them not 0.")
_TAKEN_TOKEN: Final = Rejected("conflict", "cancel", "There is such a token already.")
_BAD_SECRET: Final = Rejected("bad-request", "modify", "The secret or the digest of the token has another size.")

_DIGITS: Final = re.compile(r"[1-9][0-9]{6,14}")
_DIGEST_SIZE: Final = 32


def check_names(*names: str) -> Rejected | None:
    """Refuse a name that is empty or too long."""
    return None if all(0 < len(name.encode()) <= BUSINESS_NAME_SIZE_MAX for name in names) else TOO_LONG


def check_secret(secret: bytes) -> Rejected | None:
    """Refuse a secret of another size than an application's."""
    return None if len(secret) == BUSINESS_SECRET_SIZE else _BAD_SECRET


def check_token(context: Context, digest: bytes) -> Rejected | None:
    """Refuse a digest of another size, or of a token that there is."""
    if len(digest) != _DIGEST_SIZE:
        return _BAD_SECRET
    return None if context.business.tokens.get(digest) is None else _TAKEN_TOKEN


def check_digits(context: Context, localpart: str) -> Rejected | None:
    """Refuse what is no number, or the name of an account already."""
    if _DIGITS.fullmatch(localpart) is None:
        return _NO_DIGITS
    return accounts.name_taken(context, localpart)


def check_callback(url: str, rest: str) -> Rejected | None:
    """Refuse a callback that takes too much room; `rest` is all of it but the address."""
    return None if len(url.encode()) + len(rest.encode()) <= BUSINESS_CALLBACK_SIZE_MAX else TOO_LONG


def too_many(text: str) -> Rejected:
    """Return the refusal where there are as many as may be."""
    return Rejected("resource-constraint", "cancel", text)
