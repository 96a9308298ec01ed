"""Filters: the meaning of conditions and paths, their grammar, and the messages for mistakes."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.config.tree import unwrapped
from hyperspace_core.errors import UsageError
from hyperspace_core.records.filter import (
    Condition,
    RunFilter,
    is_missing,
    look_up,
    parse_condition,
    parse_since,
    parse_states,
)
from hyperspace_core.records.run import Attempt, Metric, Owner, RunRecord
from hyperspace_core.records.states import Outcome, State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

FOREST = RunRecord(
    id=7, uid="u7", project="digits", task="holdout", state=State.COMPLETED, reason=None, priority=2,
    tags=("paper", "first"), note="the First one", submitted={"classifier": "Forest"},
    scenario={"className": "Holdout", "dataset": {"className": "Digits", "version": 1}},
    config={"classifier": {"className": "Forest", "trees": 200, "max_depth": None, "balanced": True},
            "layers": [{"units": 10}, {"units": 20}], "note": "of the config", "rate": 0.5, "dotted.name": 3},
    metric=Metric(name="accuracy"), seed=3, result=0.95, metrics={"accuracy": 0.95, "val/loss": 0.1},
    info={"gpu": "A100", "split": {"train": 1347}}, parent=4, search="s1", submitted_at=NOON,
    attempts=(
        Attempt(number=1, outcome=Outcome.LOST, worker=Owner(worker="w1", host="gpu1")),
        Attempt(number=2, outcome=Outcome.COMPLETED, worker=Owner(worker="w2", host="gpu2"),
                provenance={"git": {"commit": "abc"}}),
    ),
)
WAITING = RunRecord(id=8, uid="u8", project="digits", task="holdout", state=State.QUEUED,
                    submitted={"classifier": "Forest", "rate": 2})


def means(text: str, record: RunRecord = FOREST) -> bool:
    return parse_condition(text).matches(record)


# -- meaning of conditions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "classifier.trees=200", "classifier.trees==200", "classifier.trees = 200", "  classifier.trees>=100 ",
    "config.classifier.trees<=200", "classifier.trees>199.5", "classifier.trees<1e3", "classifier.trees!=100",
    "classifier.trees=200.0", "classifier.max_depth=null", "classifier.balanced=true", "rate=0.5",
    "layers.1.units=20", 'layers=[{"units": 10}, {"units": 20}]', "dotted.name=3",
])
def test_hyper_parameters_are_compared_by_value(text: str) -> None:
    assert means(text)


@pytest.mark.parametrize("text", [
    "classifier.trees=100", "classifier.trees>200", "classifier.trees=true", "classifier.balanced=1",
    "classifier.trees>abc", "classifier.max_depth>0", "classifier.max_depth<0", "classifier.nothing=1",
    "classifier.nothing<1", "layers.2.units=1", "layers.x=1", "layers.-1.units=20", "classifier.trees='200'",
    'classifier.trees="200"', "classifier.balanced>0",
])
def test_values_without_an_order_do_not_match(text: str) -> None:
    assert not means(text)


@pytest.mark.parametrize(("text", "expected"), [
    ("classifier=Forest", True), ("config.classifier=Forest", True), ("classifier=forest", False),
    ("classifier=Support", False), ("classifier!=Support", True), ("classifier!=Forest", False),
    ("scenario=Holdout", True), ("scenario.dataset=Digits", True), ("layers=Forest", False),
])
def test_a_component_equals_the_name_of_its_class(text: str, expected: bool) -> None:
    assert means(text) is expected


def test_a_bare_component_name_is_found_in_a_queued_run() -> None:
    assert means("classifier=Forest", WAITING)
    assert means("config.rate=2", WAITING)
    assert not means("classifier.trees>0", WAITING)


@pytest.mark.parametrize("text", [
    "id=7", "result>0.9", "seed=3", "priority>=2", "parent=4", "search=s1", "task=holdout", "reason=null",
    "metric.name=accuracy", "metric.goal=maximize", "metrics.accuracy>0.9", "metrics.val/loss<0.2",
    "info.gpu=A100",
    "info.split.train=1347", "scenario.dataset.version=1", "attempts.0.worker.host=gpu1",
    "attempt.worker.host=gpu2",
    "attempt.provenance.git.commit=abc", "attempt.number=2", "attempts.1.outcome=completed",
    'tags=["paper", "first"]',
    "validated=true",
])
def test_everything_in_the_record_has_a_path(text: str) -> None:
    assert means(text)


@pytest.mark.parametrize(("text", "expected"), [
    ("state=completed", True), ("state=COMPLETED", True), ("state=Failed", False), ("state!=failed", True),
    ("attempt.outcome=COMPLETED", True),
])
def test_a_state_is_found_however_it_is_spelled(text: str, expected: bool) -> None:
    assert means(text) is expected


def test_fields_of_the_record_precede_hyper_parameters() -> None:
    assert means("note=the First one")
    assert means("config.note=of the config")


@pytest.mark.parametrize(("text", "expected"), [
    ("note~first", True), ("note~FIRST", True), ("note~second", False), ("tags~pap", True),
    ("classifier~fore", True),
    ("info~a100", True), ("submitted_at~2026-03", True), ("seed~3", True), ("nothing~x", False),
])
def test_a_tilde_looks_for_text_anywhere_in_the_value(text: str, expected: bool) -> None:
    assert means(text) is expected


@pytest.mark.parametrize(("text", "expected"), [
    ("submitted_at>=2026-03-01", True), ("submitted_at<2026-03-01T12:00:01", True),
    ("submitted_at>2026-03-02", False),
    ("submitted_at=2026-03-01T13:00+01:00", True), ("submitted_at=2026-03-01", False),
    ("submitted_at>soon", False),
    ("submitted_at>3", False), ("finished_at<2030-01-01", False),
])
def test_moments_are_compared_with_dates(text: str, expected: bool) -> None:
    assert means(text) is expected


def test_runs_that_diverged_are_found_by_their_nan() -> None:
    diverged = replace(FOREST, result=math.nan)
    assert means("result=NaN", diverged)
    assert not means("result!=NaN", diverged)
    assert not means("result=NaN")
    assert not any(means(f"result{op}0", diverged) for op in ("<", ">", "<=", ">=", "="))


def test_only_unequal_matches_a_missing_value() -> None:
    assert means("classifier.kernel!=rbf")
    assert not any(means(f"classifier.kernel{op}rbf") for op in ("=", "<", ">", "<=", ">=", "~"))
    assert not means("result>0", WAITING)
    assert means("result=null", WAITING)


@pytest.mark.parametrize("path", [
    "__class__", "attempt.__dict__", "tags.__len__", "tags.__class__", "id.real", "state.terminal",
    "classifier.trees.real", "layers.9999999999999999999999", "layers.٣", "attempts.0.nothing",
])
def test_a_path_reaches_only_fields_of_the_record(path: str) -> None:
    assert is_missing(look_up(FOREST, path))


def test_a_run_that_never_started_has_no_attempt() -> None:
    assert means("attempt=null", WAITING)
    assert is_missing(look_up(WAITING, "attempt.number"))


# -- grammar -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "condition"), [
    ("a.b>=100", Condition("a.b", ">=", 100)),
    ("a == 1.5", Condition("a", "==", 1.5)),
    ("a=", Condition("a", "=", "")),
    ("a=x y", Condition("a", "=", "x y")),
    ('a="1"', Condition("a", "=", "1")),
    ("a=[1, 2]", Condition("a", "=", [1, 2])),
    ("a=null", Condition("a", "=", None)),
    ("a=2026-01-31", Condition("a", "=", "2026-01-31")),
    ("a~b=c", Condition("a", "~", "b=c")),
    ('a=">3"', Condition("a", "=", ">3")),
    ("metrics.val/loss<1", Condition("metrics.val/loss", "<", 1)),
    ("metrics.val/f1 macro < .5", Condition("metrics.val/f1 macro", "<", 0.5)),
    ('metrics."f1 > 0"=1', Condition("metrics.f1 > 0", "=", 1)),
    ("a=None", Condition("a", "=", None)),
    ("größe=3", Condition("größe", "=", 3)),
    ("a=-Infinity", Condition("a", "=", -math.inf)),
    ("a=" + "9" * 5000, Condition("a", "=", "9" * 5000)),
    ("a=" + "[" * 100_000, Condition("a", "=", "[" * 100_000)),
    ("a=line\nbreak", Condition("a", "=", "line\nbreak")),
])
def test_conditions_are_parsed(text: str, condition: Condition) -> None:
    found = parse_condition(text)
    assert replace(found, value=unwrapped(found.value)) == condition


@pytest.mark.parametrize("text", [
    "", "trees", "=3", ">=3", "a=>3", "a=<3", "a<>3", "a!3", "a=~x", "a===3",
])
def test_a_malformed_condition_is_named_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_condition(text)

    assert str(caught.value) == (f"--where {text!r}: expected PATH OP VALUE with one of = != < <= > >= ~, "
                                 "as in 'classifier.trees>=100'")


NAMES = st.from_regex(r"[a-z_][a-z0-9_/-]{0,8}(\.[a-z0-9_]{1,8}){0,3}", fullmatch=True)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-2**63, 2**63 - 1) | st.floats(allow_nan=False)
                    | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=5)


@given(NAMES, st.sampled_from(["=", "==", "!=", "<", "<=", ">", ">=", "~"]), JSON)
def test_values_are_parsed_as_json(path: str, op: str, value: Any) -> None:
    import json

    found = parse_condition(f"{path}{op}{json.dumps(value)}")
    assert replace(found, value=unwrapped(found.value)) == Condition(path, op, value)


@given(st.text(max_size=30))
def test_any_text_is_a_condition_or_a_mistake_of_one_line(text: str) -> None:
    try:
        condition = parse_condition(text)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert condition.matches(FOREST) in (True, False)


@given(NAMES, JSON, JSON)
def test_equal_and_unequal_are_opposites(path: str, stored: Any, wanted: Any) -> None:
    record = replace(FOREST, config={path: stored})
    asked = f"config.{path}"

    assert Condition(asked, "=", wanted).matches(record) is not Condition(asked, "!=", wanted).matches(record)
    assert Condition(asked, "=", stored).matches(record) or isinstance(stored, dict)


# -- since ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "age"), [
    ("2d", timedelta(days=2)), ("3h", timedelta(hours=3)), ("90m", timedelta(minutes=90)),
    (" 1.5 h ", timedelta(hours=1.5)),
    ("10s", timedelta(seconds=10)), ("1w", timedelta(weeks=1)), ("0d", timedelta()),
])
def test_an_age_counts_back_from_now(text: str, age: timedelta) -> None:
    assert parse_since(text, NOON) == NOON - age


@pytest.mark.parametrize(("text", "moment"), [
    ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
    ("2026-01-31T10:30", datetime(2026, 1, 31, 10, 30, tzinfo=UTC)),
    ("2026-01-31 10:30+02:00", datetime(2026, 1, 31, 8, 30, tzinfo=UTC)),
    ("99999999999d", datetime.min.replace(tzinfo=UTC)),
])
def test_a_date_is_taken_in_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    assert parse_since(text, NOON) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2", "-2d", "2 months", "31.01.2026", "2026-13-01"])
def test_a_malformed_since_is_named_with_examples(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_since(text, NOON)

    assert str(caught.value) == (f"--since {text!r}: expected an age such as 2d, 3h, 90m or a date such as "
                                 "2026-01-31")


# -- states --------------------------------------------------------------------------------------------------


def test_states_are_read_in_any_case_and_separated_by_commas() -> None:
    assert parse_states(("failed", "Queued, PAUSED", "")) == (State.FAILED, State.QUEUED, State.PAUSED)
    assert parse_states(()) == ()


def test_an_unknown_state_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(UsageError) as caught:
        parse_states(("queued", "complete"))

    assert str(caught.value) == ("--status 'complete': expected one of queued, paused, running, completed, "
                                 "failed, cancelled; did you mean 'completed'?")


# -- the whole filter ----------------------------------------------------------------------------------------


def test_an_empty_filter_matches_every_run() -> None:
    assert RunFilter().matches(FOREST) and RunFilter().matches(WAITING)


@pytest.mark.parametrize("part", [
    {"project": "digits"}, {"tasks": ("other", "holdout")}, {"ids": (7, 9)}, {"states": (State.COMPLETED,)},
    {"tags": ("paper",)}, {"tags": ("first", "paper")}, {"since": NOON}, {"parent": 4}, {"search": "s1"},
    {"where": (Condition("seed", "=", 3), Condition("result", ">", 0.5))},
])
def test_a_fulfilled_criterion_matches(part: dict[str, Any]) -> None:
    assert RunFilter(**part).matches(FOREST)


@pytest.mark.parametrize("part", [
    {"project": "other"}, {"tasks": ("other",)}, {"ids": (8,)}, {"states": (State.FAILED, State.QUEUED)},
    {"tags": ("paper", "second")}, {"since": NOON + timedelta(seconds=1)}, {"parent": 5}, {"search": "s2"},
    {"where": (Condition("seed", "=", 3), Condition("result", ">", 0.99))},
])
def test_one_failing_criterion_excludes_a_run(part: dict[str, Any]) -> None:
    everything_else: dict[str, Any] = {
        "project": "digits", "tasks": ("holdout",), "ids": (7,), "states": (State.COMPLETED,),
        "tags": ("paper",),
        "since": NOON, "parent": 4, "search": "s1", "where": (Condition("seed", "=", 3),),
    }
    assert RunFilter(**everything_else).matches(FOREST)
    assert not RunFilter(**everything_else | part).matches(FOREST)


def test_a_run_of_unknown_age_does_not_match_since() -> None:
    assert not RunFilter(since=NOON).matches(WAITING)


@pytest.mark.parametrize(("condition", "found"), [
    ("version=2024", True), ('version="2024"', True), ("version=2025", False), ("version>2023", True),
    ("number=2024", True), ('number="2024"', False), ("nothing=None", True), ("nothing=null", True),
])
def test_a_number_is_also_the_text_that_it_shows(condition: str, found: bool) -> None:
    record = replace(FOREST, config={"version": "2024", "number": 2024, "nothing": None})
    assert means(condition, record) is found
