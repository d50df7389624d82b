"""How stories write entries, memberships and messages, and how they read those that a story sends itself."""

from __future__ import annotations

from collections.abc import Callable

from raftline.base.ids import LogIndex, NodeId, Term
from raftline.raft.membership import Membership
from raftline.raft.messages import (
    Append,
    AppendReply,
    CommitNotice,
    Entry,
    EntryKind,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    InstallSnapshotReply,
    Message,
    PreVoteReply,
    PreVoteRequest,
    ReadIndexReply,
    ReadIndexRequest,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)

_SHOWN_BYTES_MAX = 20


def show_entry(entry: Entry) -> str:
    """Write an entry as index/term and what it holds."""
    place = f"{entry.index}/{entry.term}"
    if entry.kind is EntryKind.MEMBERSHIP:
        return f"{place} members"
    return f"{place} {show_payload(entry.payload)}" if entry.payload else place


def show_payload(payload: bytes) -> str:
    """Write a payload as `read_payload` reads it."""
    is_large = len(payload) > _SHOWN_BYTES_MAX and payload == payload[:1] * len(payload)
    return f"{payload[:1].decode()}*{len(payload)}" if is_large else payload.decode()


def read_payload(word: str) -> bytes:
    """Make a payload of a word: its letters, or a letter many times (`x*3000`)."""
    letter, star, count = word.partition("*")
    return letter.encode() * int(count) if star else word.encode()


def show_entries(entries: list[Entry]) -> str:
    return "[" + ", ".join(map(show_entry, entries)) + "]"


def show_membership(membership: Membership) -> str:
    """Write voters, then the outgoing majority, then learners."""
    text = "(" + " ".join(map(str, membership.voters)) + ")"
    if membership.is_joint:
        text += "&(" + " ".join(map(str, membership.outgoing)) + ")"
    if membership.learners:
        text += " learning " + " ".join(map(str, membership.learners))
    return text


def show_message(message: Message) -> str:
    """Write a message as one line."""
    text = f"{message.sender}->{message.receiver} {type(message).__name__} term {message.term}"
    match message:
        case Append():
            text += f" after {message.prev_index}/{message.prev_term} commit {message.commit_index} "
            text += show_entries(message.entries)
        case AppendReply() if message.success:
            text += f" match {message.match_index}"
        case AppendReply():
            text += f" refused, look at {message.conflict_index}/{message.conflict_term}"
        case VoteRequest() | PreVoteRequest():
            text += f" last {message.last_index}/{message.last_term}"
        case VoteReply() | PreVoteReply():
            text += " yes" if message.granted else " no"
        case Heartbeat():
            text += f" round {message.round} commit {message.commit_index}"
        case HeartbeatReply():
            text += f" round {message.round} accepted {message.accepted_index} match {message.match_index}"
        case CommitNotice():
            text += f" commit {message.commit_index}"
        case ReadIndexReply():
            text += " failed" if message.index is None else f" index {message.index}"
        case InstallSnapshot():
            snapshot = message.snapshot
            text += f" {snapshot.index}/{snapshot.term} {show_membership(snapshot.membership)}"
        case InstallSnapshotReply():
            text += f" match {message.match_index}"
        case _:
            pass
    return text + " recovering" if getattr(message, "recovery_id", 0) else text


def read_message(words: list[str]) -> Message:
    """Make the message of a `send` command; see `raft.simulation.transcript`."""
    sender, receiver = (NodeId(int(number)) for number in words[0].split("->"))
    options = dict(word.split("=") for word in words[2:] if "=" in word)
    term = Term(int(options["term"]))

    def number(key: str) -> LogIndex:
        return LogIndex(int(options.get(key, 0)))

    def place(key: str) -> tuple[LogIndex, Term]:
        index, at_term = options.get(key, "0/0").split("/")
        return LogIndex(int(index)), Term(int(at_term))

    prev, last = place("prev"), place("last")
    terms = [Term(int(number)) for number in options.get("terms", "").split(",") if number]
    entries = [Entry(LogIndex(prev[0] + at), of, EntryKind.DATA, b"new") for at, of in enumerate(terms, start=1)]
    none = LogIndex(0)
    makers: dict[str, Callable[[], Message]] = {
        "Append": lambda: Append(sender, receiver, term, *prev, number("commit"), entries),
        "Vote": lambda: VoteRequest(sender, receiver, term, *last, transfer="transfer" in words),
        "PreVote": lambda: PreVoteRequest(sender, receiver, term, *last),
        "VoteReply": lambda: VoteReply(sender, receiver, term, granted=True),
        "PreVoteReply": lambda: PreVoteReply(sender, receiver, term, granted=True),
        "Stored": lambda: AppendReply(sender, receiver, term, none, True, number("match"), none, Term(0)),
        "Beat": lambda: Heartbeat(sender, receiver, term, number("round"), number("commit")),
        "BeatReply": lambda: HeartbeatReply(
            sender, receiver, term, number("round"), number("accepted"), number("match")
        ),
        "TimeoutNow": lambda: TimeoutNow(sender, receiver, term),
        "ReadIndex": lambda: ReadIndexRequest(sender, receiver, term, number("context")),
    }
    return makers[words[1]]()
