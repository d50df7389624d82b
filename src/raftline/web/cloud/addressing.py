"""
People as programs name them, and as they are told of: by number, by BSUID, or by the name of an account.

| a program writes | it means |
|---|---|
| `+1 555-123-4567`, `15551234567` | the account whose local part is these digits |
| `US.10000000000000042` | the account with this BSUID, whatever the letters in front |
| `ann`, `ann@example.org` | the account, as an extension: most people here have no number |

In answers and events a person always has `user_id`, its BSUID, and `wa_id` if its local part is all digits. The letters
of a BSUID are the country of the number, `ZZ` where there is none: for people to read, and looked at by nobody.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple, cast

import phonenumbers

from raftline.machine.business.ids import bsuid, parse_bsuid
from raftline.machine.business.queries import IdentityBy, IdentityOf
from raftline.machine.business.values import Identity
from raftline.node.door import Node
from raftline.web.cloud.access import ask_freshly
from raftline.xmpp.jid import parse_jid

NO_COUNTRY: Final = "ZZ"
"""Of accounts without a number, and of numbers of no country (ISO 3166 leaves it to users)."""

COUNTRY_CACHE_COUNT: Final = 65_536
"""Numbers whose country is remembered."""

ADDRESS_LENGTH_MAX: Final = 1_024
"""Characters of what names somebody; no account's name has more."""

_PHONE: Final = re.compile(r"\s*\+?[0-9][0-9 ()-]*", re.ASCII)
_NO_DIGITS: Final = re.compile(r"[^0-9]+")
_REGION: Final = re.compile(r"[A-Z]{2}")


class Person(NamedTuple):
    """
    A person as a program sees it.

    Attributes:
        localpart: Of the account.
        wa_id: Empty for who has no number.
        user_id: The BSUID.
        name: What the person calls itself.
    """

    localpart: str
    wa_id: str
    user_id: str
    name: str

    def as_contact(self, written: str) -> dict[str, str]:
        """Return the person as answers name it, beside what the program wrote."""
        shown = {"input": written, "wa_id": self.wa_id, "user_id": self.user_id}
        return shown if self.wa_id else {"input": written, "user_id": self.user_id}


def wa_id_of(localpart: str) -> str:
    """Return the number that an account is; empty for none."""
    return localpart if localpart.isascii() and localpart.isdigit() else ""


def bsuid_of(identity: Identity) -> str:
    """Return the BSUID of an account."""
    return bsuid(country_of(wa_id_of(identity.localpart)), identity.account_id)


def person_of(identity: Identity) -> Person:
    """Return an account as programs see it."""
    return Person(identity.localpart, wa_id_of(identity.localpart), bsuid_of(identity), identity.name)


@lru_cache(maxsize=COUNTRY_CACHE_COUNT)
def country_of(digits: str) -> str:
    """Return the country of a number in E.164's digits, as two capital letters; `ZZ` for none (ITU-T E.164)."""
    if not digits:
        return NO_COUNTRY
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return NO_COUNTRY
    region = phonenumbers.region_code_for_number(number)
    if region is None and number.country_code is not None:
        region = phonenumbers.region_code_for_country_code(number.country_code)
    return region if region is not None and _REGION.fullmatch(region) else NO_COUNTRY


def localpart_of(text: str, domain: str) -> str | None:
    """Return the local part of the account that a number, a name or a bare JID means; None for what means none."""
    if len(text) > ADDRESS_LENGTH_MAX:
        return None
    if _PHONE.fullmatch(text):
        return _NO_DIGITS.sub("", text)
    try:
        jid = parse_jid(text if "@" in text else f"{text}@{domain}")
    except ValueError:
        return None
    return jid.local if jid.local and jid.domain == domain and not jid.resource else None


async def find_identity(node: Node, text: str) -> Identity | None:
    """
    Return the account that a text names; None for what names none.

    Raises:
        Unavailable: It is not known here, and there is no quorum to ask.
    """
    account_id = parse_bsuid(text)
    if account_id is not None:
        return cast("Identity | None", await ask_freshly(node, IdentityBy(account_id)))
    localpart = localpart_of(text, node.domain)
    if localpart is None:
        return None
    return cast("Identity | None", await ask_freshly(node, IdentityOf(localpart)))
