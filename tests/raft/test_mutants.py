"""
Proof that the tests notice broken cores: each famous mistake, put into the core on purpose, must be caught.

Many mistakes are caught by simulated clusters within a few seeds. Others need a situation that chance rarely brings;
for these a scenario exists, and it is that scenario which must fail. A scenario that passes with its mutant tests
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from raft import (
    test_commit_and_election,
    test_durability,
    test_reads,
    test_simulation,
    test_thesis,
)
from raft.simulation import membership_mutants, mutants, mutants_of_stories, recovery_mutants
from raft.simulation.mutants import Mutant
from raft.simulation.transcript import perform
from raft.simulation.world import World
from raftline.base.errors import RaftlineError
from transcripts.stories import check_noticed

SCENARIOS = Path(__file__).parent / "scenarios"
SEED_COUNT_MAX = 150

CAUGHT_BY_SIMULATION = (
    mutants.promises_before_durable,
    mutants.repeated_append_is_acknowledged_from_memory,
    mutants.leader_counts_itself_before_durable,
    mutants.vote_is_not_written,
    mutants.term_is_not_written,
    mutants.votes_twice_in_a_term,
    mutants.votes_for_any_log,
    mutants.compares_logs_by_length_first,
    mutants.cuts_matching_entries,
    mutants.acknowledges_its_last_index,
    mutants.reads_before_own_term_commits,
    mutants.believes_commits_beyond_the_match,
    mutants.keeps_the_match_of_an_old_term,
    mutants.half_is_a_majority,
    mutants.stands_before_its_vote_is_durable,
    mutants.skips_the_check_of_the_previous_entry,
    mutants.never_sends_again,
    mutants.counts_refusals_as_votes,
    mutants.keeps_silent_towards_old_terms,
    membership_mutants.changes_before_its_term_commits,
    membership_mutants.begins_a_second_change,
    membership_mutants.changes_voters_in_one_step,
    membership_mutants.joint_asks_the_new_majority_alone,
    membership_mutants.keeps_a_membership_that_was_cut,
    membership_mutants.counts_whoever_stores,
    membership_mutants.stays_joint,
    membership_mutants.forgets_the_membership_with_its_entry,
    membership_mutants.snapshot_without_its_membership,
    membership_mutants.offers_no_snapshot,
    recovery_mutants.votes_while_recovering,
    recovery_mutants.keeps_the_match,
    recovery_mutants.knows_one_recovery_only,
    recovery_mutants.recovers_by_anything,
    recovery_mutants.recovers_before_durable,
    recovery_mutants.tells_nobody,
)

CAUGHT_BY_TRANSCRIPT: tuple[tuple[Mutant, str], ...] = (
    (mutants.leader_counts_itself_before_durable, "d1_single_node_syncs_first"),
    (mutants.leader_counts_itself_before_durable, "d1_leader_counts_its_own_disk"),
    (mutants.promises_before_durable, "d1_leader_counts_its_own_disk"),
    (mutants.repeated_append_is_acknowledged_from_memory, "d2_repeated_append"),
    (mutants.promises_before_durable, "d3_vote_across_a_crash"),
    (mutants.vote_is_not_written, "d3_vote_across_a_crash"),
    (mutants.votes_twice_in_a_term, "d3_vote_across_a_crash"),
    (mutants.term_is_not_written, "d3_term_across_a_crash"),
    (mutants.stands_before_its_vote_is_durable, "d3_candidate_across_a_crash"),
    (mutants_of_stories.entries_go_before_their_term, "d4_term_before_its_entries"),
    (mutants_of_stories.ids_are_used_again, "d14_ids_are_never_used_again"),
    (mutants.promises_before_durable, "d15_power_failure_while_others_pause"),
    (mutants.votes_for_any_log, "d15_power_failure_while_others_pause"),
    (mutants.promises_before_durable, "d15_all_lose_power"),
    (mutants.votes_for_any_log, "d15_all_lose_power"),
    (mutants.commits_old_terms_by_counting, "e1_old_term_by_counting"),
    (mutants.acknowledges_its_last_index, "e2_stale_tail"),
    (mutants.cuts_matching_entries, "e3_reordered_appends"),
    (mutants.compares_logs_by_length_first, "e4_up_to_date"),
    (mutants.half_is_a_majority, "e5_even_sizes"),
    (mutants_of_stories.matches_are_nearly_sorted, "e5_one_ahead_of_the_others"),
    (membership_mutants.joint_asks_the_new_majority_alone, "e5_joint_memberships"),
    (membership_mutants.counts_whoever_stores, "e5_joint_memberships"),
    (mutants.searches_one_entry_at_a_time, "e7_long_conflicts"),
    (mutants.shields_no_leader, "e8_returning_node"),
    (mutants.shields_no_leader, "m9_removed_node_disturbs_nobody"),
    (mutants.keeps_silent_towards_old_terms, "e9_leader_sees_one_node"),
    (mutants.leads_without_a_quorum, "e9_one_node_sees_a_majority"),
    (mutants.leads_without_a_quorum, "e9_leader_hears_nobody"),
    (mutants.shields_no_leader, "e9_four_and_five_see_one_other"),
    (mutants_of_stories.stands_without_a_pre_vote, "e9_four_and_five_see_one_other"),
    (mutants_of_stories.stands_without_a_pre_vote, "e9_follower_hears_nobody"),
    (mutants.keeps_silent_towards_old_terms, "e10_higher_term_is_not_stuck"),
    (mutants_of_stories.waits_long_after_a_start, "e11_restarted_nodes_elect"),
    (mutants.sends_the_transfer_too_early, "e12_transfer_to_a_lagging_node"),
    (mutants.old_write_makes_new_entries_durable, "d5_rewritten_entry"),
    (mutants.reads_before_own_term_commits, "s1_read_before_own_commit"),
    (mutants.read_contexts_start_anew, "s2_answer_of_an_earlier_life"),
    (mutants_of_stories.leader_waits_for_its_own_disk, "l2_slow_disk_of_the_leader"),
    (mutants_of_stories.waits_for_everybody, "l2_slow_disk_of_a_follower"),
    (mutants.never_sends_again, "l3_lost_append"),
    (mutants_of_stories.believes_acknowledgements_alone, "l3_lost_acknowledgement"),
    (mutants_of_stories.sends_again_what_is_not_durable, "l3_stalled_disk"),
    (mutants_of_stories.links_stay_down, "l3_dropped_link"),
    (mutants_of_stories.sends_again_what_is_not_durable, "l4_large_batch"),
    (mutants.takes_itself_for_punctual, "l5_paused_processes"),
    (mutants.leads_on_after_any_sleep, "l5_paused_processes"),
    (membership_mutants.learners_stand, "e12_transfer_to_a_learner"),
    (membership_mutants.changes_before_its_term_commits, "m1_first_commit_of_the_term"),
    (membership_mutants.refuses_to_vote_as_a_learner, "m2_promoted_unaware"),
    (membership_mutants.joint_asks_the_new_majority_alone, "m3_in_force_when_appended"),
    (membership_mutants.promotes_at_once, "m4_learner_catches_up_first"),
    (membership_mutants.keeps_a_membership_that_was_cut, "m5_truncated_change"),
    (membership_mutants.counts_whoever_stores, "m6_removed_leader"),
    (membership_mutants.leads_on_after_its_removal, "m6_removed_leader"),
    (membership_mutants.leads_on_after_its_removal, "m6_one_of_two"),
    (membership_mutants.removed_nodes_never_stand, "m6_removed_leader_crashes"),
    (membership_mutants.begins_a_second_change, "m8_two_changes"),
    (membership_mutants.removes_whoever_is_needed, "m10_needed_nodes_stay"),
    (membership_mutants.installs_whatever_was_fetched, "r5_install_races"),
    (membership_mutants.snapshot_without_its_membership, "r6_membership_survives_compaction"),
    (membership_mutants.forgets_the_membership_with_its_entry, "r6_membership_survives_compaction"),
    (membership_mutants.acknowledges_what_it_dropped, "r8_compacted_previous_entry"),
    (membership_mutants.takes_what_was_compacted_for_a_conflict, "r8_compacted_previous_entry"),
    (membership_mutants.offers_no_snapshot, "r9_behind_compaction"),
    (membership_mutants.forgets_the_offer_when_it_is_lost, "r5_leader_takes_another"),
    (membership_mutants.compacts_past_the_offer, "r9_no_compaction_past_the_offer"),
    (membership_mutants.old_writes_count_behind_a_snapshot, "d5_write_before_a_snapshot"),
    (recovery_mutants.votes_while_recovering, "d7_recovering_votes_for_nobody"),
    (recovery_mutants.stands_while_recovering, "d7_recovering_votes_for_nobody"),
    (recovery_mutants.counts_who_recovers, "d7_recovering_counts_for_nothing"),
    (recovery_mutants.keeps_the_match, "d7_recovering_counts_for_nothing"),
    (recovery_mutants.knows_one_recovery_only, "d7_damaged_twice"),
    (recovery_mutants.recovers_before_durable, "d7_recovering_counts_for_nothing"),
    (recovery_mutants.tells_nobody, "d7_recovering_counts_for_nothing"),
)

DURABILITY = test_durability.TestDurability()
ELECTION = test_commit_and_election.TestCommitAndElection()
READS = test_reads.TestReads()
STANDING = test_thesis.TestSection34Election()
STEPPING_DOWN = test_thesis.TestSection62RoutingRequests()
TRANSFER = test_thesis.TestSection310Transfer()


def leader_that_hears_nobody() -> None:
    test_simulation.TestPartialConnectivity().test_leader_is_heard_but_hears_nobody(0)


CAUGHT_BY_SCENARIO: tuple[tuple[Mutant, Callable[[], None]], ...] = (
    (mutants.promises_before_durable, DURABILITY.test_d3_vote_survives_a_crash),
    (
        mutants.repeated_append_is_acknowledged_from_memory,
        DURABILITY.test_d2_repeated_append_waits_for_the_first_copy,
    ),
    (mutants.leader_counts_itself_before_durable, DURABILITY.test_d1_single_node_commits_after_its_own_sync),
    (mutants.leader_counts_itself_before_durable, DURABILITY.test_d1_leader_does_not_count_itself_before_durable),
    (mutants.vote_is_not_written, DURABILITY.test_d3_vote_survives_a_crash),
    (mutants.term_is_not_written, DURABILITY.test_d4_term_is_written_before_or_with_its_entries),
    (mutants.old_write_makes_new_entries_durable, DURABILITY.test_d5_same_index_and_length_twice),
    (mutants.keeps_promises_of_older_terms, DURABILITY.test_promises_of_an_older_term_are_withdrawn),
    (mutants.commits_old_terms_by_counting, ELECTION.test_e1_old_terms_are_not_committed_by_counting),
    (mutants.acknowledges_its_last_index, ELECTION.test_e2_acknowledges_what_the_append_covered),
    (mutants.believes_commits_beyond_the_match, ELECTION.test_e2_commit_is_believed_only_up_to_the_match),
    (mutants.cuts_matching_entries, ELECTION.test_e3_matching_entries_are_never_cut),
    (mutants.compares_logs_by_length_first, ELECTION.test_e4_logs_are_compared_by_term_then_length),
    (mutants.searches_one_entry_at_a_time, ELECTION.test_e7_long_terms_are_skipped_whole),
    (mutants.shields_no_leader, ELECTION.test_e8_returning_node_disturbs_nobody),
    (mutants.shields_no_leader, ELECTION.test_e8_vote_request_of_a_higher_term_is_ignored_near_a_leader),
    (mutants.leads_without_a_quorum, STEPPING_DOWN.test_leader_without_answers_steps_down),
    (mutants.leads_without_a_quorum, leader_that_hears_nobody),
    (mutants.keeps_silent_towards_old_terms, ELECTION.test_e10_node_with_a_higher_term_is_not_stuck),
    (mutants.sends_the_transfer_too_early, TRANSFER.test_transfer_waits_until_the_target_has_caught_up),
    (
        mutants.stands_before_its_vote_is_durable,
        STANDING.test_candidate_asks_when_its_own_vote_is_durable,
    ),
    (mutants.reads_before_own_term_commits, READS.test_s1_new_leader_answers_no_read_before_its_own_entry_commits),
    (mutants.read_contexts_start_anew, READS.test_s2_late_answer_of_an_earlier_life_confirms_nothing),
    (mutants.reads_without_a_round, READS.test_read_needs_a_round_begun_after_it),
)


@pytest.mark.parametrize("mutant", CAUGHT_BY_SIMULATION, ids=lambda mutant: mutant.__name__)
def test_simulation_catches(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated cluster of cores with this mistake fails within a bounded number of seeds."""
    mutant(monkeypatch)
    for seed in range(SEED_COUNT_MAX):
        world = World(seed, (3, 5)[seed % 2])
        try:
            world.run_safety(4000)
            world.run_liveness()
        except (AssertionError, RaftlineError) as error:
            print(f"seed {seed}: {error}")
            return
    pytest.fail("no seed noticed")


@pytest.mark.parametrize(
    ("mutant", "scenario"), CAUGHT_BY_SCENARIO, ids=lambda value: value.__name__.removeprefix("test_")
)
def test_scenario_catches(mutant: Mutant, scenario: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario passes with the core as it is, and fails with this mistake in it."""
    scenario()
    mutant(monkeypatch)
    with pytest.raises((AssertionError, ValueError, RaftlineError)):
        scenario()


@pytest.mark.parametrize(("mutant", "name"), CAUGHT_BY_TRANSCRIPT, ids=lambda value: getattr(value, "__name__", value))
def test_transcript_catches(mutant: Mutant, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cores tell another story with this mistake in them, or none to its end."""
    check_noticed(SCENARIOS / f"{name}.txt", perform, lambda: mutant(monkeypatch))


def test_every_mutant_is_caught_somewhere() -> None:
    """No mutant is defined and then forgotten."""
    defined = {
        name
        for module in (mutants, membership_mutants, recovery_mutants, mutants_of_stories)
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and name != "Mutant"
    }
    by_story = [mutant for mutant, _ in (*CAUGHT_BY_SCENARIO, *CAUGHT_BY_TRANSCRIPT)]
    caught = {mutant.__name__ for mutant in (*CAUGHT_BY_SIMULATION, *by_story)}
    assert defined == caught
