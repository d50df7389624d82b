"""Named faults of archives beside growing: preferences, retraction, the index of words."""

from __future__ import annotations

from typing import Final

from mutation.faults import NamedFault

_MESSAGES, _PREFERENCES, _RETRACTION, _INDEX = (
    "machine.messages",
    "machine.history.preferences",
    "machine.history.retraction",
    "machine.history.search_index",
)

HISTORY: Final = (
    NamedFault(
        "anybody_retracts",
        "Whoever knows where a message is takes it back, not its author alone.",
        "", _RETRACTION, "retract_messages",
        "and message.sender_id == sender.address_id", "and True",
    ),
    NamedFault(
        "later_account_retracts",
        "An account takes back what an earlier one of its name has said.",
        "", _RETRACTION, "retract_messages",
        "and message.time_ms >= sender.created_ms", "and True",
    ),
    NamedFault(
        "retraction_reaches_other_conversations",
        "A retraction to one contact takes back what was said to another.",
        "", _RETRACTION, "retract_messages",
        "and _is_between(context, position, sender, recipient)", "and True",
    ),
    NamedFault(
        "retraction_does_not_wait_for_its_version",
        "A retraction takes effect on new releases while older ones pass it over.",
        "", _RETRACTION, "retract_messages",
        "if retraction is None or context.machine_version < FEATURES_SINCE:", "if retraction is None:",
    ),
    NamedFault(
        "tombstone_keeps_the_text",
        "A tombstone is put in front of the text.",
        "", _RETRACTION, "bury",
        "% (start_tag, retraction.head, stamp, retraction.tail)",
        "% (start_tag, retraction.head, stamp, retraction.tail + message.stanza)",
    ),
    NamedFault(
        "full_address_goes_behind_the_bare_one",
        "A preference for one device is passed over.",
        "", _PREFERENCES, "is_kept",
        "if resource:", "if not resource:",
    ),
    NamedFault(
        "notes_to_oneself_have_two_sides",
        "An account that does not archive a note to itself owes it to its devices as if it did.",
        "", _MESSAGES, "send_message",
        "storage if is_own else action.storage", "action.storage",
    ),
    NamedFault(
        "index_keeps_what_is_retracted",
        "Words of a message that was changed or deleted stay in the index.",
        "", _INDEX, "SearchIndex._follow",
        "self._write(_DELETE, position, found[0])", "pass",
    ),
    NamedFault(
        "index_is_ahead_of_what_it_holds",
        "The position that is indexed is that of the slice, also when the slice ended early.",
        "", _INDEX, "SearchIndex.index_some",
        "self.indexed_position = position\n", "self.indexed_position = found[-1][0]\n",
    ),
)  # fmt: skip
