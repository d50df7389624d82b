"""Reports of spam and abuse as they stand in a request to block (XEP-0377 sections 4 to 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.ids import parse_stanza_id
from raftline.base.limits import REPORT_MESSAGE_COUNT_MAX
from raftline.machine.history.commands import Report, ReportConsent
from raftline.xmpp.payloads import STANZA_ID_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.element import Element

REPORTING_NAMESPACE: Final = "urn:xmpp:reporting:1"

_POSITION_MAX: Final = (1 << 63) - 1


def report_of(item: Element, jid: str, cluster_epoch: int) -> Report | None:
    """
    Return the report inside an item of a request to block; None when there is none.

    Stanza ids that this cluster never gave are left out: there is nothing to look at. Of several texts the first
    counts.

    Raises:
        Refused: `bad-request` for one without a reason, `policy-violation` for one that names too many messages.
    """
    element = item.child("report", REPORTING_NAMESPACE)
    if element is None:
        return None
    reason = element.get("reason")
    if not reason:
        raise Refused("bad-request", "modify", "A report says why.")
    text = element.child("text", REPORTING_NAMESPACE)
    parsed = [
        parse_stanza_id(child.get("id") or "")
        for child in element.elements()
        if child.name == "stanza-id" and child.namespace == STANZA_ID_NAMESPACE
    ]
    positions = tuple(
        dict.fromkeys(
            found[1]
            for found in parsed
            if found is not None and found[0] == cluster_epoch and found[1] <= _POSITION_MAX
        )
    )
    if len(positions) > REPORT_MESSAGE_COUNT_MAX:
        raise Refused("policy-violation", "modify", f"A report names at most {REPORT_MESSAGE_COUNT_MAX} messages.")
    consents = 0
    if element.child("report-origin", REPORTING_NAMESPACE) is not None:
        consents |= ReportConsent.ORIGIN
    if element.child("third-party", REPORTING_NAMESPACE) is not None:
        consents |= ReportConsent.THIRD_PARTY
    return Report(jid, reason, "" if text is None else text.text.strip(), positions, int(consents))
