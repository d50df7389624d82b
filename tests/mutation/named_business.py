"""Named faults of businesses: what is told to programs, who may hear it, and in which order things become known."""

from __future__ import annotations

from typing import Final

from mutation.faults import NamedFault

_EVENTS, _RECEIVING, _SENDING, _STATUSES, _QUESTIONS, _PACE, _DIRECTORY, _APPLICATIONS, _GROUPS, _IDEMPOTENCY = (
    "machine.business.events",
    "machine.business.receiving",
    "machine.business.sending",
    "machine.business.statuses",
    "machine.business.questions",
    "machine.business.pace",
    "machine.business.directory",
    "machine.business.applications",
    "machine.business.group_events",
    "machine.idempotency",
)

BUSINESS: Final = (
    NamedFault(
        "events_are_not_settled",
        "What a receiver has taken waits on, and is delivered for ever.",
        "", _EVENTS, "settle_events",
        "            forget_event(context, row)", "            pass",
    ),
    NamedFault(
        "settles_dead_letters",
        "A late word that an event was taken removes it from the dead letters that people see.",
        "", _EVENTS, "settle_events",
        "row is None or row.state != EventState.WAITING", "row is None",
    ),
    NamedFault(
        "dead_letters_are_dropped",
        "What nobody took for seven days is gone, with no dead letter.",
        "", _EVENTS, "expire_event",
        "if row.state == EventState.WAITING:", "if False:",
    ),
    NamedFault(
        "replayed_letters_die_at_once",
        "A dead letter that waits again keeps the time that was over.",
        "", _EVENTS, "replay_events",
        "state=int(EventState.WAITING), due_ms=due_ms", "state=int(EventState.WAITING)",
    ),
    NamedFault(
        "forgets_events_without_their_messages",
        "An event that is gone holds its message for ever.",
        "", _EVENTS, "forget_event",
        "inbox.release_message(context, row.message)", "pass",
    ),
    NamedFault(
        "events_do_not_hold_their_messages",
        "A message whose archives forget it is gone before its event was delivered.",
        "", _EVENTS, "write_event",
        "context.message_holders += 1", "pass",
    ),
    NamedFault(
        "one_full_application_refuses_for_all",
        "An application that nobody answers for keeps people from writing to the number.",
        "", _EVENTS, "is_full",
        "bool(listeners) and all(", "bool(listeners) and any(",
    ),
    NamedFault(
        "full_outbox_takes_more",
        "Events grow without a bound while nobody takes them.",
        "", _EVENTS, "write_event",
        ">= APP_EVENT_COUNT_MAX", "> 1 << 62",
    ),
    NamedFault(
        "streamed_events_wait_for_a_callback",
        "Events of an application that only reads the stream become dead letters.",
        "", _EVENTS, "write_event",
        "EventState.WAITING if listener.is_called else EventState.KEPT", "EventState.WAITING",
    ),
    NamedFault(
        "accepts_what_no_program_hears_of",
        "A message that no application has room for is taken, and nobody is told.",
        "", _RECEIVING, "take",
        "            return None", "            pass",
    ),
    NamedFault(
        "numbers_hear_themselves",
        "A device of the number writes to it, and its program is told.",
        "", _RECEIVING, "take",
        "handed.sender_id != number.account_id and ", "",
    ),
    NamedFault(
        "retractions_name_the_correction",
        "What is taken back is named by its last correction, which programs do not know.",
        "", _RECEIVING, "_tell",
        "min(handed.retraction.positions)", "max(handed.retraction.positions)",
    ),
    NamedFault(
        "returned_messages_do_not_fail",
        "The program is never told that a message came back.",
        "", _RECEIVING, "returned",
        "if number is None or message.session_id:", "if True:",
    ),
    NamedFault(
        "deregistered_numbers_send",
        "A number that was deregistered sends on.",
        "", _SENDING, "send_from_number",
        "if not number.is_registered:", "if False:",
    ),
    NamedFault(
        "limits_count_what_says_nothing",
        "Markers and signs that somebody types use up what a number may send.",
        "", _SENDING, "send_from_number",
        "if action.message_id and (refusal", "if (refusal",
    ),
    NamedFault(
        "refused_messages_are_remembered",
        "A message that was refused has a status.",
        "", _SENDING, "send_from_number",
        "if not isinstance(outcome, Done):", "if False:",
    ),
    NamedFault(
        "statuses_fall",
        "A late receipt turns a message that was read into one that was delivered.",
        "", _STATUSES, "advance",
        "elif MessageStatus.RECEIVED < row.status < status:", "elif MessageStatus.RECEIVED < row.status:",
    ),
    NamedFault(
        "people_deliver_their_own",
        "A receipt for a message that the person wrote is a status of the number.",
        "", _STATUSES, "advance",
        "elif MessageStatus.RECEIVED < row.status < status:", "elif row.status < status:",
    ),
    NamedFault(
        "markers_reach_one_message",
        "What was said before the message that a marker names is not read.",
        "", _STATUSES, "_unread",
        "AND position <= ? AND status", "AND position = ? AND status",
    ),
    NamedFault(
        "read_messages_fail",
        "A message that was read has failed when a second device refuses it.",
        "", _STATUSES, "advance",
        "if row.status in {MessageStatus.SENT, MessageStatus.DELIVERED}:", "if True:",
    ),
    NamedFault(
        "other_conversations_are_named",
        "A reply refers to a message of a conversation with somebody else.",
        "", _STATUSES, "position_named",
        "archived is not None and archived.contact_id == peer_id", "archived is not None",
    ),
    NamedFault(
        "answers_are_taken_twice",
        "Each later text that is a number answers the question once more.",
        "", _QUESTIONS, "answer_to",
        "context.business.prompts.put(key, prompt._replace(is_open=0))", "pass",
    ),
    NamedFault(
        "questions_stay_open",
        "A text answers a question although the number has said something since.",
        "", _QUESTIONS, "ask",
        "if last is not None and last.is_open:", "if False:",
    ),
    NamedFault(
        "anybody_asks",
        "People write questions of their own and answer them.",
        "", _QUESTIONS, "_answer_to_older",
        " or found[0][0] == MessageStatus.RECEIVED", "",
    ),
    NamedFault(
        "options_are_counted_from_zero",
        "Who types 1 gets the second option.",
        "", _QUESTIONS, "_typed",
        "options[int(typed) - 1]", "options[int(typed) % len(options)]",
    ),
    NamedFault(
        "refused_sends_use_up_the_limit",
        "Whoever is over the limit of a person loses the share of the number too.",
        "", _PACE, "take_turn",
        "    of_pair = _next",
        "    if of_number:\n        context.business.paces.put(of_number[:2], of_number)\n    of_pair = _next",
    ),
    NamedFault(
        "silence_is_saved_up",
        "A number that was silent for a day may send a day's share at once.",
        "", _PACE, "_next",
        "max(now_us, 0 if row is None else row.next_us)", "(now_us if row is None else row.next_us)",
    ),
    NamedFault(
        "deleted_events_count",
        "An outbox counts what is gone, and is full one day.",
        "", _DIRECTORY, "BusinessState.remove_event",
        "= count - 1", "= count",
    ),
    NamedFault(
        "events_of_a_command_share_a_key",
        "Of two events that one command causes only the last is there.",
        "", _DIRECTORY, "BusinessState.next_ordinal",
        "self._ordinal = (position, ordinal + 1)", "self._ordinal = (position, ordinal)",
    ),
    NamedFault(
        "callbacks_for_another_business",
        "An application hears of numbers of others by naming them.",
        "", _APPLICATIONS, "_is_scope_of",
        "number is not None and number.business_id == app.business_id", "number is not None",
    ),
    NamedFault(
        "tokens_outlive_their_application",
        "A token of an application that was deleted speaks on.",
        "", _APPLICATIONS, "forget_app",
        "business.tokens.delete(token.digest)", "pass",
    ),
    NamedFault(
        "events_outlive_their_application",
        "Events of an application that was deleted stay for ever.",
        "", _APPLICATIONS, "forget_app",
        "context.doomed.insert(AccountId(app.app_id), Doomed(AccountId(app.app_id)))", "pass",
    ),
    NamedFault(
        "numbers_hear_their_own_words_in_groups",
        "What a number says in a group is told to it as somebody's.",
        "", _GROUPS, "hear_spoken",
        "number is None or spoke.author == context.bare_jid(number.localpart)", "number is None",
    ),
    NamedFault(
        "group_events_do_not_hold",
        "A message of a group is gone with the room's archive, before its event was delivered.",
        "", _GROUPS, "hear_spoken",
        "    if held:", "    if False:",
    ),
    NamedFault(
        "keys_are_kept_for_an_outcome_only",
        "A repeated request under its Idempotency-Key is a second message.",
        "", _IDEMPOTENCY, "keep_outcome",
        "context.idempotency.put(origin.key, row)", "pass",
    ),
    NamedFault(
        "keys_never_end",
        "A key that was used once can never be used again.",
        "", _IDEMPOTENCY, "kept_outcome",
        " or context.time_ms - row.time_ms > IDEMPOTENCY_AGE_MAX_MS", "",
    ),
)  # fmt: skip
