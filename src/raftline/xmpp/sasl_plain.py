"""The SASL mechanism PLAIN (RFC 4616); offered where TLS comes first."""

from __future__ import annotations

from raftline.xmpp.jid import JID
from raftline.xmpp.sasl import SASLFailed, check_authorization, decoded_text, prepared_name


def parse_plain(data: bytes, domain: str, claimed: JID | None = None) -> tuple[str, str]:
    """
    Read a PLAIN message, `authzid NUL authcid NUL password`, and return the prepared name and the password.

    `claimed` is as in `check_authorization`.

    Raises:
        SASLFailed: `malformed-request`, `invalid-authzid`.

    Source: RFC 4616 section 2.
    """
    parts = decoded_text(data).split("\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise SASLFailed("malformed-request")
    localpart = prepared_name(parts[1])
    if parts[0]:
        check_authorization(parts[0], localpart, domain, claimed)
    return localpart, parts[2]
