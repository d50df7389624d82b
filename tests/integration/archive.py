"""Reading whole archives (XEP-0313) and what the promises say about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from integration.xmpp_raw import NS_CLIENT, NS_FORWARD, NS_MAM, NS_RSM, NS_SID, RawClient

PAGE_COUNT_MAX = 10_000
PAGE_SIZE = 100


@dataclass(frozen=True)
class ArchiveRow:
    """One archived message; `stanza_id` is its place in the owner's archive."""

    stanza_id: str
    sender: str
    recipient: str
    body: str
    origin_id: str


def bare(jid: str) -> str:
    """A JID without its resource."""
    return jid.partition("/")[0]


async def read_archive(client: RawClient, page_size: int = PAGE_SIZE, to: str = "") -> list[ArchiveRow]:
    """Read the whole archive of the client's account, or of a room, page by page (XEP-0059), oldest first."""
    rows: list[ArchiveRow] = []
    after = ""
    for page in range(PAGE_COUNT_MAX):
        place = f"<after>{after}</after>" if after else ""
        answer = await client.ask(
            "set",
            f"<query xmlns='{NS_MAM}' queryid='page-{page}'>"
            f"<set xmlns='{NS_RSM}'><max>{page_size}</max>{place}</set></query>",
            to,
        )
        assert answer.get("type") == "result", "the archive query was refused"
        rows.extend(take_results(client, f"page-{page}"))
        fin = answer.find(f"{{{NS_MAM}}}fin")
        assert fin is not None, "no <fin/> in the answer to an archive query"
        if fin.get("complete") == "true":
            return rows
        after = fin.findtext(f"{{{NS_RSM}}}set/{{{NS_RSM}}}last") or ""
        assert after, "an incomplete page without <last/>"
    raise AssertionError("an archive without end")


def take_results(client: RawClient, query_id: str) -> list[ArchiveRow]:
    """Take the results of one query out of what the client received."""
    rows = []
    others = []
    for stanza in client.stanzas:
        result = stanza.find(f"{{{NS_MAM}}}result")
        if result is None or result.get("queryid") != query_id:
            others.append(stanza)
            continue
        message = result.find(f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message")
        assert message is not None, "an archive result without a message"
        origin = message.find(f"{{{NS_SID}}}origin-id")
        rows.append(
            ArchiveRow(
                stanza_id=result.get("id", ""),
                sender=bare(message.get("from", "")),
                recipient=bare(message.get("to", "")),
                body=message.findtext(f"{{{NS_CLIENT}}}body") or "",
                origin_id=origin.get("id", "") if origin is not None else "",
            )
        )
    client.stanzas[:] = others
    return rows


def check_exactly_once(rows: Iterable[ArchiveRow], acknowledged: Iterable[str], where: str) -> None:
    """P1 and P2: every acknowledged message is there, and no message is there twice."""
    counts = Counter(row.origin_id for row in rows if row.origin_id)
    doubled = [origin_id for origin_id, count in counts.items() if count > 1]
    assert not doubled, f"{where}: archived more than once: {doubled[:5]} ({len(doubled)} in all)"
    lost = [origin_id for origin_id in acknowledged if origin_id not in counts]
    assert not lost, f"{where}: acknowledged and not archived: {lost[:5]} ({len(lost)} in all)"


def check_order(rows: Iterable[ArchiveRow], numbers: Mapping[str, int], where: str) -> None:
    """P2: in each direction of each conversation messages stand in the order in which they were written."""
    newest: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.origin_id not in numbers:
            continue
        direction = (row.sender, row.recipient)
        number = numbers[row.origin_id]
        assert number > newest.get(direction, -1), f"{where}: {row} stands after number {newest[direction]}"
        newest[direction] = number


def check_received(rows: Iterable[ArchiveRow], received: Mapping[str, str], where: str) -> None:
    """P3: whatever a client was shown (stanza id to body) is in the archive, as it was shown."""
    archived = {row.stanza_id: row.body for row in rows}
    for stanza_id, body in received.items():
        assert archived.get(stanza_id) == body, f"{where}: shown but not archived: {stanza_id} {body!r}"
