"""Named faults of sessions and messages: who may speak, what counts as done, what is owed to whom."""

from __future__ import annotations

from typing import Final

from mutation.faults import NamedFault

_SESSIONS, _RESUMPTION, _INBOX = "machine.sessions", "machine.resumption", "machine.inbox"
_MESSAGES, _CATCH_UP, _ARCHIVE, _BLOCKING = (
    "machine.messages",
    "machine.catch_up",
    "machine.archive",
    "machine.blocking",
)

SESSIONS: Final = (
    NamedFault(
        "last_command_is_carried_out_again",
        "A retry of the last command of a session is carried out a second time.",
        "C1", _SESSIONS, "admit",
        "if number <= progress.number:", "if number < progress.number:",
    ),
    NamedFault(
        "gaps_of_a_session_are_admitted",
        "A command whose predecessor is missing is carried out, and the predecessor is a repeat when it comes.",
        "C1", _SESSIONS, "admit",
        "if origin.previous != progress.number:", "if origin.previous < progress.number:",
    ),
    NamedFault(
        "former_holder_speaks_on",
        "Commands of an epoch that is over are carried out.",
        "", _SESSIONS, "admit",
        "if progress is None or progress.epoch != origin.epoch:", "if progress is None:",
    ),
    NamedFault(
        "former_holder_marks_on",
        "Marks of an epoch that is over acknowledge what the new holder has not delivered.",
        "", _SESSIONS, "_mark_session",
        "if progress is None or progress.epoch != mark.epoch:", "if progress is None:",
    ),
    NamedFault(
        "command_takes_the_count_back",
        "A command sets the count of handled stanzas to its own number, below what a mark had said.",
        "", _SESSIONS, "admit",
        "inbound_count = max(progress.inbound_count, number)", "inbound_count = number",
    ),
    NamedFault(
        "late_mark_takes_the_count_back",
        "A mark that comes late lowers the count of handled stanzas, which the client was told.",
        "", _SESSIONS, "_mark_session",
        "inbound_count = max(mark.inbound_count, progress.inbound_count)", "inbound_count = mark.inbound_count",
    ),
    NamedFault(
        "late_mark_takes_the_cursor_back",
        "A mark that comes late moves the cursor of deliveries back.",
        "", _SESSIONS, "_mark_session",
        "acknowledged = max(acknowledged, Cursor(progress.delivered, progress.acknowledged))", "pass",
    ),
    NamedFault(
        "mark_acknowledges_the_future",
        "A mark is believed beyond its own place in the log.",
        "", _SESSIONS, "_mark_session",
        "acknowledged = min(mark.acknowledged, Cursor(context.position, context.position))",
        "acknowledged = mark.acknowledged",
    ),
    NamedFault(
        "two_sessions_share_a_resource",
        "Whoever holds a resource stays when it is bound again.",
        "", _SESSIONS, "bind_session",
        'end_session(context, holder, "conflict")', "pass",
    ),
    NamedFault(
        "dead_node_binds",
        "A life of a node that is over may bind sessions, which nobody would ever end.",
        "", _SESSIONS, "bind_session",
        "if is_over(context, action.node_id, action.incarnation):", "if action.node_id < 0:",
    ),
    NamedFault(
        "messages_die_with_their_session",
        "What a session has not acknowledged is gone with it.",
        "", _SESSIONS, "end_session",
        "keep_messages=keep_messages)", "keep_messages=False)",
    ),
    NamedFault(
        "session_hears_of_its_own_end",
        "The presence that tells of a session's end goes out while the session is still there.",
        "", _SESSIONS, "end_session",
        "    context.session_index.removed(session)\n    context.sessions.delete(session.session_id)\n", "",
    ),
    NamedFault(
        "nobody_remembers_the_end",
        "A client that comes back too late is not told how far it had come.",
        "", _SESSIONS, "end_session",
        "_remember_end(context, session, progress, resumption)", "pass",
    ),
)  # fmt: skip
"""Who may speak for a session, and what counts as done."""

RESUMPTION: Final = (
    NamedFault(
        "any_token_resumes",
        "A session is given to whoever knows its number.",
        "", _RESUMPTION, "resume_session",
        "session.account_id != account.account_id or not compare_digest(row.token, action.token)",
        "session.account_id != account.account_id",
    ),
    NamedFault(
        "any_account_resumes",
        "A session is given to another account that has its token.",
        "", _RESUMPTION, "resume_session",
        "session.account_id != account.account_id or not compare_digest(row.token, action.token)",
        "not compare_digest(row.token, action.token)",
    ),
    NamedFault(
        "any_token_learns_the_count",
        "How far an ended session had come is told to whoever knows its number.",
        "", _RESUMPTION, "_ended",
        " or not compare_digest(ended.token, action.token)", "",
    ),
    NamedFault(
        "overdue_session_is_resumed",
        "A session whose time is over can be resumed until a command ends it, which differs from leader to leader.",
        "R7", _RESUMPTION, "resume_session",
        "if is_overdue(context, row):", "if row.due_ms < 0:",
    ),
    NamedFault(
        "resumption_begins_no_epoch",
        "Two nodes speak for a session.",
        "", _RESUMPTION, "resume_session",
        "epoch = progress.epoch + 1", "epoch = progress.epoch",
    ),
    NamedFault(
        "resumed_session_goes_on_ageing",
        "A session that was resumed ends when its time would have been over.",
        "", _RESUMPTION, "resume_session",
        "row._replace(due_ms=0)", "row",
    ),
    NamedFault(
        "dead_node_resumes",
        "A life of a node that is over may take sessions over, which nobody would ever end.",
        "", _RESUMPTION, "resume_session",
        "if sessions.is_over(context, action.node_id, action.incarnation):", "if action.node_id < 0:",
    ),
    NamedFault(
        "clock_of_a_waiting_session_starts_again",
        "Each death of a node gives a waiting session its whole time once more.",
        "", _RESUMPTION, "_start_clock",
        "if not row.due_ms:", "if row.due_ms >= 0:",
    ),
    NamedFault(
        "requests_that_were_answered_are_kept",
        "Requests that were covered before are kept again, and answered twice.",
        "", "machine.kept_requests", "note",
        "if request.number > progress.inbound_count:", "if request.number >= progress.inbound_count:",
    ),
    NamedFault(
        "other_requests_get_the_outcome",
        "A request that merely came along with a command is answered with the outcome of it.",
        "", "machine.kept_requests", "keep_outcome",
        "if own.number != origin.number or not own.is_command:", "if own.number != origin.number:",
    ),
    NamedFault(
        "whole_roster_is_told_again",
        "A resumed session that missed one change of the roster is told all of it.",
        "", _CATCH_UP, "_roster_changes",
        "rosters.changes_since(context, account, row.roster_version)", "rosters.changes_since(context, account, 0)",
    ),
    NamedFault(
        "catching_up_begins_at_the_cursor",
        "The delivery at the cursor, which the client has, is given once more.",
        "", _CATCH_UP, "inbox_page",
        "start = bisect_right(", "start = -1 + bisect_right(",
    ),
    NamedFault(
        "catching_up_is_dated_now",
        "Messages that waited bear no time of their own.",
        "", _CATCH_UP, "_event_of",
        "delayed_ms=message.time_ms", "delayed_ms=None",
    ),
    NamedFault(
        "resumed_session_sees_who_blocked_it",
        "A session that is resumed is shown the presence of contacts that have blocked it.",
        "", _CATCH_UP, "_presence_of_contacts",
        " or context.blocks(account, full_jid)", "",
    ),
)  # fmt: skip
"""How a session outlives its node."""

MESSAGES: Final = (
    NamedFault(
        "acknowledged_up_to_but_not_including",
        "The delivery that a mark names stays owed, and is given again after a resumption.",
        "", _INBOX, "acknowledge",
        "if (row.delivered, row.position) > last:", "if (row.delivered, row.position) >= last:",
    ),
    NamedFault(
        "acknowledged_by_position_alone",
        "A late message with a low position counts as acknowledged with live ones that came before it.",
        "", _INBOX, "acknowledge",
        "if (row.delivered, row.position) > last:", "if row.position > last[1]:",
    ),
    NamedFault(
        "what_one_device_took_waits_for_another",
        "A message that one session has acknowledged goes offline when another ends without it.",
        "", _INBOX, "acknowledge",
        "storage=held.storage & ~_OFFLINE", "storage=held.storage",
    ),
    NamedFault(
        "message_goes_offline_while_another_session_owes_it",
        "A session ends, and what another one still owes goes offline too: it is delivered twice.",
        "", _INBOX, "release",
        "and row.storage & _OFFLINE and not on_others", "and row.storage & _OFFLINE",
    ),
    NamedFault(
        "offline_messages_stay",
        "Offline messages that were delivered are delivered to the next session too.",
        "", _INBOX, "deliver_offline",
        "        context.offline_counts.remove(account_id, position)\n", "",
    ),
    NamedFault(
        "last_holder_leaves_the_message",
        "A message that nothing refers to any more stays for ever.",
        "", _INBOX, "release_message",
        "if message.holders <= 1:", "if message.holders <= 0:",
    ),
    NamedFault(
        "first_holder_takes_the_message",
        "A message is deleted while others still refer to it.",
        "", _INBOX, "release_message",
        "if message.holders <= 1:", "if message.holders <= 2:",
    ),
    NamedFault(
        "origin_ids_are_not_checked",
        "A message that a client sends again in a new session is stored twice.",
        "C1", _MESSAGES, "send_message",
        "        if origin_digest is None:\n            return _DONE\n", "",
    ),
    NamedFault(
        "origin_ids_of_different_texts_are_one",
        "A client that numbers its messages anew loses those whose number it used before.",
        "", _MESSAGES, "_origin_digests",
        "(head, recipient, fingerprint, origin_id.encode())",
        "(head, recipient, origin_id.encode())",
    ),
    NamedFault(
        "origin_ids_of_different_recipients_are_one",
        "The same text to two people under one id reaches the first alone.",
        "", _MESSAGES, "_origin_digests",
        "(head, recipient, fingerprint, origin_id.encode())",
        "(_LENGTHS.pack(session.account_id, 0, 0), fingerprint, origin_id.encode())",
    ),
    NamedFault(
        "returned_message_cannot_be_sent_again",
        "A message that came back is swallowed when it is sent once more.",
        "", _MESSAGES, "return_message",
        "context.origins.delete(returned.origin_digest)", "pass",
    ),
    NamedFault(
        "blocked_senders_are_heard",
        "A message of somebody the recipient has blocked is delivered.",
        "", _MESSAGES, "receive_message",
        "if account is None or _is_blocked(context, account, handed):", "if account is None:",
    ),
    NamedFault(
        "errors_are_answered_with_errors",
        "Two servers send errors about errors for ever.",
        "", _MESSAGES, "_return",
        "if handed.kind in {_ERROR, _HEADLINE}:", "if handed.kind == _HEADLINE:",
    ),
    NamedFault(
        "message_to_oneself_is_archived_twice",
        "A note to oneself is put into the archive by both sides.",
        "", _MESSAGES, "receive_message",
        "if storage & _ARCHIVE and not is_own:", "if storage & _ARCHIVE:",
    ),
    NamedFault(
        "unmanaged_session_takes_for_nobody",
        "A message that a session without acknowledgements has taken goes offline with another session.",
        "", _MESSAGES, "deliver",
        "alone = all(session.managed for session in targets)", "alone = any(session.managed for session in targets)",
    ),
    NamedFault(
        "full_inbox_takes_more",
        "A session that acknowledges nothing is owed messages without bound.",
        "", _MESSAGES, "deliver",
        "if len(context.inboxes.of(session.session_id)) >= INBOX_MESSAGE_COUNT_MAX:",
        "if len(context.inboxes.of(session.session_id)) > INBOX_MESSAGE_COUNT_MAX:",
    ),
)  # fmt: skip
"""What is delivered, owed, kept and sent back."""

ARCHIVES: Final = (
    NamedFault(
        "page_begins_with_the_last_row",
        "A page after a row begins with that row.",
        "", _ARCHIVE, "page_of",
        "query.after + 1", "query.after",
    ),
    NamedFault(
        "full_page_is_never_the_last",
        "A page that holds all that is left asks for another one.",
        "", _ARCHIVE, "page_of",
        "complete=len(found) <= limit", "complete=len(found) < limit",
    ),
    NamedFault(
        "end_of_a_span_is_left_out",
        "Messages at the very end of a span of time are left out.",
        "", _ARCHIVE, "filter_of",
        "position_at(context, query.end_ms + 1)", "position_at(context, query.end_ms)",
    ),
    NamedFault(
        "start_of_a_span_is_left_out",
        "Messages at the very start of a span of time are left out.",
        "", _ARCHIVE, "position_at",
        "if found_ms >= time_ms:", "if found_ms > time_ms:",
    ),
    NamedFault(
        "count_goes_by_the_page",
        "The count of an archive is that of what lies before the page.",
        "", _ARCHIVE, "page_of",
        "count=_count(context, wanted, wanted.end)", "count=_count(context, wanted, upper)",
    ),
    NamedFault(
        "blocked_contact_is_not_told",
        "A contact sees whoever has blocked it as available for ever.",
        "", _BLOCKING, "_block",
        "                _show_unavailable(context, account, entry.contact, resource)\n", "                pass\n",
    ),
    NamedFault(
        "blocking_closes_the_door_first",
        "An address is blocked before its owner is shown unavailable, which it then cannot be told.",
        "", _BLOCKING, "_block",
        "        resource = _resource_of(jid)\n",
        "        resource = _resource_of(jid)\n"
        "        context.blocked.insert((account.account_id, jid), Blocked(account.account_id, jid))\n"
        "        context.blocklists.changed(account.account_id)\n",
    ),
    NamedFault(
        "blocking_goes_in_the_order_of_a_set",
        "Addresses are blocked in an order that differs from process to process.",
        "R7", _BLOCKING, "change_blocklist",
        "new = sorted(set(action.addresses) - listed)", "new = list(set(action.addresses) - listed)",
    ),
    NamedFault(
        "unblocked_contact_stays_blind",
        "A contact that is unblocked goes on seeing the user as away.",
        "", _BLOCKING, "_unblock",
        "presence.send_to_contact(context, account, contact)", "pass",
    ),
    NamedFault(
        "block_list_is_full_one_too_late",
        "A block list takes one address more than it may hold.",
        "", _BLOCKING, "change_blocklist",
        "len(listed) + len(new) > BLOCKED_ADDRESS_COUNT_MAX", "len(listed) + len(new) > BLOCKED_ADDRESS_COUNT_MAX + 1",
    ),
)  # fmt: skip
"""What is read back, and who is blocked."""

DELIVERY: Final = SESSIONS + RESUMPTION + MESSAGES + ARCHIVES
