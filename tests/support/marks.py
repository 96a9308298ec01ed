"""The pytest plugin that marks tests as `slow` and `processes`, by the tables below.

`pytest -m "not slow"` gives an answer in about two minutes on two cores. A test is slow if it starts
processes, stands in a slow folder, or needs half a second or more of a processor.
"""

from __future__ import annotations

import pytest

# fixtures that start workers, commands, fork servers, servers or shells, or a test's own processes
PROCESS_FIXTURES = {
    "alone", "at_terminal", "board", "cables", "completed", "drained", "fork_server", "fresh_environment",
    "guarded", "here", "hyperspace", "mongodb_server", "mongodb_uri", "own_mongodb_server", "runner",
    "server", "shell", "start", "start_processes", "typed_apart", "warm", "worker",
}
# folders and modules whose tests start processes without such a fixture
PROCESS_PLACES = (
    "docs/examples/one_function",
    "plugins/hyperspace-mongodb/tests/test_kills.py",
    "plugins/hyperspace-migrate/tests/test_interrupted.py",
    "plugins/hyperspace-reproduce/tests/notebook/test_promotion.py",
    "plugins/hyperspace-reproduce/tests/reproduce/",
    "plugins/hyperspace-reproduce/tests/reproduce_commands/test_reproduce.py",
    "plugins/hyperspace-tuning/tests/test_proposer_client.py",
    "plugins/hyperspace-tuning/tests/test_search_of_digits.py",
    "plugins/pytest-hyperspace/tests/test_process_group.py",
    "tests/examples/",
    "tests/scenarios/",
    "tests/worker/test_like_a_script.py",
)
# folders and modules that are slow for what they compute or import: scikit-learn, PyTorch, a server
SLOW_PLACES = (
    "docs/examples/digits",
    "docs/examples/reviews",
    "docs/examples/turbines",
    "plugins/hyperspace-mongodb/",
    "plugins/hyperspace-tuning/tests/test_sampler_suite.py",
    "tests/cli/test_diff.py",
)
# single tests, by module; those of a class also in the modules that inherit it
SLOW_TESTS = {
    "docs/examples/memory_store/tests/test_memory_store.py": {
        "test_any_tree_is_read_back_equal_from_every_field", "test_the_store_agrees_with_the_model",
        "test_very_many_points_are_kept_once_and_in_order"},
    "plugins/hyperspace-analysis/tests/test_compare.py": {"test_the_sample_size_matches_the_textbook"},
    "plugins/hyperspace-analysis/tests/test_figures.py": {"test_an_image_has_the_format_of_its_suffix"},
    "plugins/hyperspace-migrate/tests/test_backfill.py": {
        "test_a_killed_backfill_is_finished_by_the_next_call"},
    "plugins/hyperspace-tuning/tests/test_curves.py": {
        "test_about_a_thousand_points_of_a_long_series_are_kept"},
    "plugins/hyperspace-tuning/tests/test_from_signature.py": {
        "test_endless_nesting_of_families_is_refused"},
    "plugins/hyperspace-tuning/tests/test_samplers.py": {
        "test_gp_needs_half_of_the_runs_for_a_better_result",
        "test_it_gets_nearer_to_the_minimum_than_random_search"},
    "tests/capture/test_fingerprint.py": {"test_different_data_has_different_fingerprints"},
    "tests/capture/test_sources.py": {
        "test_an_edit_of_equal_size_within_a_clock_tick_is_seen",
        "test_an_unpacked_snapshot_works_without_installation"},
    "tests/cli/test_export.py": {
        "test_a_failed_run_is_exported_with_a_warning",
        "test_an_existing_export_is_replaced_only_with_force"},
    "tests/cli/test_mistakes_doing.py": {"test_b67_an_idle_worker_says_why_runs_wait"},
    "tests/cli/test_results.py": {
        "test_left_out_runs_are_reported_per_task", "test_runs_of_a_broken_project_are_still_compared",
        "test_runs_of_other_code_are_left_out_with_a_cure"},
    "tests/cli/test_store_written_before.py": {
        "test_a_worker_executes_the_queued_run_and_a_rerun", "test_the_search_is_resumed",
        "test_without_the_tuner_s_plugin_it_is_named"},
    "tests/config/test_build.py": {"test_a_built_object_reads_back_as_its_config"},
    "tests/config/test_grid.py": {"test_size_is_the_number_of_configs_and_each_is_valid"},
    "tests/config/test_jsonfile.py": {"test_output_of_json_dumps_is_read"},
    "tests/config/test_migration.py": {
        "test_a_step_is_idempotent", "test_no_value_is_lost", "test_the_order_of_the_keys_is_kept"},
    "tests/config/test_sections.py": {"test_filling_missing_parameters_completes_the_tree"},
    "tests/execution/test_executor.py": {"test_a_result_of_megabytes_is_kept_as_an_artifact"},
    "tests/execution/test_large.py": {"test_two_and_a_half_million_floats_are_kept_as_an_artifact"},
    "tests/execution/test_supervise.py": {"test_the_run_of_a_vanished_worker_is_ended"},
    "tests/meta/test_cheap_imports.py": {
        "test_a_component_imports_no_queue_store_git_or_cli", "test_help_loads_nothing_heavy"},
    "tests/meta/test_every_module.py": {"test_each_module_imports_alone_and_without_a_warning"},
    "tests/meta/test_floors.py": {"test_the_finder_lists_all_run_time_imports"},
    "tests/records/test_alike.py": {"test_texts_are_decoded_right_after_any_other_texts"},
    "tests/records/test_codec.py": {
        "test_a_tree_is_one_line_of_text", "test_very_deep_nesting_is_refused_in_one_line"},
    "tests/results/test_words.py": {"test_a_cut_text_fits", "test_any_value_becomes_strict_json"},
    "tests/services/test_progress.py": {"test_watching_ends_when_nothing_is_queued_or_running"},
    "tests/services/test_queue.py": {"test_a_worker_completes_an_unchecked_submission"},
    "tests/services/test_study.py": {
        "test_a_grid_of_thousands_is_stored_in_batches_of_a_thousand",
        "test_digits_queued_and_drained_by_processes"},
    "tests/stores/test_conformance.py": {
        "test_any_record_comes_back_the_same", "test_any_tree_is_read_back_equal_from_every_field",
        "test_any_tree_is_restored_when_undone", "test_one_run_goes_to_one_of_very_many",
        "test_the_store_agrees_with_the_model", "test_very_many_points_are_kept_once_and_in_order"},
    "tests/stores/test_sqlite_connections.py": {"test_processes_that_open_a_new_file_at_once_share_it"},
    "tests/stores/test_without_capabilities.py": {
        "test_runs_of_a_search_need_a_target_that_keeps_searches",
        "test_the_main_job_works_without_capabilities"},
    "tests/test_ancestor.py": {
        "test_millions_of_floats_in_info_lose_no_result", "test_the_working_directory_does_not_matter"},
    "tests/test_bad_inputs.py": {"test_b40_a_hundred_thousand_points_at_once_are_all_kept"},
    "tests/worker/test_outbox.py": {"test_a_disk_that_is_full_does_not_cost_a_result"},
    "tests/worker/test_pinned.py": {"test_a_broken_checkout_does_not_stop_pinned_runs"},
}


# what lasts longest starts first, so that no worker waits for it at the end
LONGEST = ("tests/examples/test_pages.py",)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them before `-m` selects, and put the longest first."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    for item in items:
        if starts_processes(item):
            item.add_marker("processes")
        if starts_processes(item) or is_slow(item):
            item.add_marker("slow")


def starts_processes(item: pytest.Item) -> bool:
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return not PROCESS_FIXTURES.isdisjoint(fixtures) or item.nodeid.startswith(PROCESS_PLACES)


def is_slow(item: pytest.Item) -> bool:
    module = item.nodeid.partition("::")[0]
    return module.startswith(SLOW_PLACES) or getattr(item, "originalname", "") in SLOW_TESTS.get(module, ())
