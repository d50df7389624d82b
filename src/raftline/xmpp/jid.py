"""
Addresses of XMPP entities (RFC 7622), in the one form that the system compares and stores.

    [ local "@" ] domain [ "/" resource ]

`parse_jid` prepares each part: the local part under the PRECIS profile UsernameCaseMapped less nine characters
(section 3.3), the resource under OpaqueString (section 3.4), the domain as U-labels in lower case without a final
dot (section 3.2). Two addresses are the same entity exactly when their prepared texts are equal, so nothing else
compares addresses in any other way. Whatever holds a JID may take it as valid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import idna
from precis_i18n import get_profile

JID_PART_BYTES_MAX: Final = 1023
"""Of each part, in UTF-8 (RFC 7622 sections 3.2 to 3.4)."""

DOMAIN_LABEL_BYTES_MAX: Final = 63
"""Of a label of ASCII (RFC 1034 section 3.1)."""

JID_CACHE_COUNT: Final = 16_384
"""Addresses whose preparation is remembered; a busy node meets the same ones again and again."""

JID_CACHE_LENGTH_MAX: Final = 256
"""Longer texts are prepared each time, so that nobody fills memory through the cache."""

_LOCAL_ASCII: Final = re.compile(r"[!#$%()*+,\-.0-9;=?A-Z\[\\\]^_`a-z{|}~]+")
_LOCAL_FORBIDDEN: Final = frozenset("\"&'/:<>@")  # section 3.3.1; the ninth, space, no identifier may have
_RESOURCE_ASCII: Final = re.compile(r"[ -~]+")
_LABEL_ASCII: Final = re.compile(r"[0-9a-z](?:[0-9a-z-]*[0-9a-z])?")
_IPV6_LITERAL: Final = re.compile(r"\[[0-9a-f:.]+\]")

_USERNAME: Final = get_profile("UsernameCaseMapped")
_OPAQUE: Final = get_profile("OpaqueString")


@dataclass(frozen=True, slots=True)
class JID:
    """
    A prepared address; made by `parse_jid`, or from parts that are prepared.

    Attributes:
        local: Name of the account; empty for a server.
        domain: Of the service; never empty.
        resource: One connected client; empty in a bare JID.
    """

    local: str
    domain: str
    resource: str = ""
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        text = f"{self.local}@{self.domain}" if self.local else self.domain
        if self.resource:
            text = f"{text}/{self.resource}"
        object.__setattr__(self, "_text", text)

    def __str__(self) -> str:
        return self._text

    @property
    def bare(self) -> JID:
        """The same address without a resource."""
        return _bare(self.local, self.domain) if self.resource else self

    @property
    def is_bare(self) -> bool:
        """Whether there is no resource."""
        return not self.resource


@lru_cache(maxsize=JID_CACHE_COUNT)
def _bare(local: str, domain: str) -> JID:
    return JID(local, domain)


def parse_jid(text: str) -> JID:
    """
    Read and prepare an address.

    Raises:
        ValueError: It is none: a part is empty, too long, or has characters that its rules forbid.

    Source: RFC 7622 section 3.1: the first slash ends the bare address, the first at-sign before it the local part.
    """
    return _parse_cached(text) if len(text) <= JID_CACHE_LENGTH_MAX else _parse(text)


def _parse(text: str) -> JID:
    bare, slash, resource = text.partition("/")
    local, at, domain = bare.partition("@")
    if not at:
        local, domain = "", bare
    elif not local:
        raise ValueError("empty local part")
    if slash and not resource:
        raise ValueError("empty resource")
    return JID(
        prepare_local(local) if local else "", prepare_domain(domain), prepare_resource(resource) if resource else ""
    )


_parse_cached = lru_cache(maxsize=JID_CACHE_COUNT)(_parse)


def prepare_local(text: str) -> str:
    """
    Prepare the name of an account.

    Raises:
        ValueError: It cannot be one.

    Source: RFC 7622 section 3.3, RFC 8265 section 3.3.
    """
    if _LOCAL_ASCII.fullmatch(text):
        prepared = text.lower()
    else:
        prepared = _USERNAME.enforce(text)
        if not _LOCAL_FORBIDDEN.isdisjoint(prepared):
            raise ValueError("forbidden character in the local part")
    return _checked_length(prepared, "local part")


def prepare_resource(text: str) -> str:
    """
    Prepare a resource.

    Raises:
        ValueError: It cannot be one.

    Source: RFC 7622 section 3.4, RFC 8265 section 4.2.
    """
    if not _RESOURCE_ASCII.fullmatch(text):
        text = _OPAQUE.enforce(text)
    return _checked_length(text, "resource")


@lru_cache(maxsize=1024)
def prepare_domain(text: str) -> str:
    """
    Prepare a domain: U-labels in lower case, an IPv4 address, or an IPv6 address in brackets.

    Raises:
        ValueError: It cannot be one.

    Source: RFC 7622 section 3.2, with the mappings of UTS 46, which contain those of RFC 5895.
    """
    text = text.removesuffix(".")
    if text.isascii():
        text = text.lower()
        if _IPV6_LITERAL.fullmatch(text):
            return text
    else:
        text = idna.uts46_remap(text, std3_rules=True)
    labels = text.split(".")
    return _checked_length(".".join([_prepare_label(label) for label in labels]), "domain")


def _prepare_label(label: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        if len(label) > DOMAIN_LABEL_BYTES_MAX or not _LABEL_ASCII.fullmatch(label):
            raise ValueError("bad label in the domain")
        return label
    idna.alabel(label)  # a U-label too long as an A-label is none
    return idna.ulabel(label)


def _checked_length(text: str, part: str) -> str:
    if not text or len(text.encode()) > JID_PART_BYTES_MAX:
        raise ValueError(f"the {part} is empty or too long")
    return text
