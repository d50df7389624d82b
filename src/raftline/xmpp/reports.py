"""Reports of spam and abuse: in a request to block (XEP-0377 sections 4 to 6), and in a notice to administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.ids import Epochs, parse_stanza_id
from raftline.base.limits import (
    REPORT_MESSAGE_COUNT_MAX,
    REPORT_NOTICE_INTERVAL_MS,
    REPORT_NOTICE_LINE_COUNT_MAX,
)
from raftline.machine.history.answers import ReportRecord
from raftline.machine.history.commands import Report, ReportConsent
from raftline.machine.history.queries import ListReports
from raftline.machine.queries import SessionRow, SessionsOf
from raftline.xmpp.effects import Route, ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.payloads import STANZA_ID_NAMESPACE
from raftline.xmpp.stanza import CLIENT_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext

REPORTING_NAMESPACE: Final = "urn:xmpp:reporting:1"

_POSITION_MAX: Final = (1 << 63) - 1


def report_of(item: Element, jid: str, epochs: Epochs) -> Report | None:
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
            if found is not None and found[1] <= _POSITION_MAX and found[0] == epochs.of(found[1])
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


def tell_administrators(context: StreamContext, reports: tuple[Report, ...]) -> Steps:
    """
    Tell administrators who are available that reports have been kept, by a message of the service.

    It stays off the log: who is away finds the reports in the list, and nobody is told again. There is at most one
    notice in a minute.
    """
    administrators = sorted(context.modules.administrators)
    if not administrators:
        return
    found: list[ReportRecord] = yield from ask(ListReports(limit=len(reports) + 1), list)
    earlier = found[len(reports) :]
    if earlier and found[0].time_ms - earlier[0].time_ms < REPORT_NOTICE_INTERVAL_MS:
        return
    text = _notice(str(context.jid.bare), reports)
    for administrator in map(parse_jid, administrators):
        if administrator.domain != context.domain:
            continue
        sessions: list[SessionRow] = yield from ask(SessionsOf(administrator.local), list)
        for session in sessions:
            if session.priority is not None:
                attributes = {
                    "from": context.domain,
                    "to": f"{administrator.bare}/{session.resource}",
                    "id": context.new_id(),
                }
                children: list[Element | str] = [
                    Element("subject", CLIENT_NAMESPACE, None, ["Abuse was reported"]),
                    Element("body", CLIENT_NAMESPACE, None, [text]),
                ]
                yield Route(session.session_id, Element("message", CLIENT_NAMESPACE, attributes, children).to_bytes())


def _notice(reporter: str, reports: tuple[Report, ...]) -> str:
    lines = [
        f"{reporter} reports {report.jid}: {report.reason.rpartition(':')[2]}"
        for report in reports[:REPORT_NOTICE_LINE_COUNT_MAX]
    ]
    if len(reports) > len(lines):
        lines.append(f"… and {len(reports) - len(lines)} more")
    return "\n".join([*lines, "`raftline reports list` shows what was said."])
