from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from hyperspace_core.config.complete import complete
from hyperspace_core.config.grid import each, grid_size, iter_grid, parse_assignments, parse_grid, parse_value
from hyperspace_core.config.registry import Registry
from hyperspace_core.config.signature import Signature, signature_of
from hyperspace_core.config.tree import unwrapped, without_unquoted
from hyperspace_core.errors import ConfigError
from support.zoo import CATALOG, EVERYTHING


def expanded(grid: dict[str, Any], signature: Signature, registry: Registry) -> list[dict[str, Any]]:
    found = list(iter_grid(grid, signature, registry))
    assert grid_size(grid, signature, registry) == len(found)
    return found


def test_the_contracts_example(holdout: Signature, registry: Registry) -> None:
    grid = {
        "classifier": [
            {"className": "Forest", "trees": [50, 100, 200]},
            {"className": "Support", "C": [0.1, 1, 10]},
        ]
    }
    found = expanded(grid, holdout, registry)
    assert [config["classifier"].get("trees") or config["classifier"]["C"] for config in found] == [
        50,
        100,
        200,
        0.1,
        1,
        10,
    ]
    assert all(complete(config, holdout, registry) for config in found)
    assert grid["classifier"][0]["trees"] == [50, 100, 200]


def test_the_first_key_varies_slowest(everything: Signature, registry: Registry) -> None:
    found = expanded({"depth": [1, 2], "choice": ["a", "b"]}, everything, registry)
    assert [(c["depth"], c["choice"]) for c in found] == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]


def test_a_list_is_a_value_where_the_parameter_is_a_sequence(everything: Signature,
                                                             registry: Registry) -> None:
    assert expanded({"rates": [0.1, 0.2], "pair": [1, "a"], "tags": ["x"]}, everything, registry) == [
        {"rates": [0.1, 0.2], "pair": [1, "a"], "tags": ["x"]}
    ]
    assert expanded({"rates": each([0.1], [0.2])}, everything, registry) == [
        {"rates": [0.1]},
        {"rates": [0.2]},
    ]


def test_optional_none_is_an_alternative(everything: Signature, registry: Registry) -> None:
    assert expanded({"scaler": [None, "Standard", {"mean": True}]}, everything, registry) == [
        {"scaler": None},
        {"scaler": "Standard"},
        {"scaler": {"mean": True}},
    ]


def test_sections_inside_values(everything: Signature, registry: Registry) -> None:
    found = expanded(
        {
            "layers": ["Dense", {"className": "Dense", "units": [1, 2]}],
            "named": {"head": {"units": [3, 4]}},
            "training": {"optimizer": {"lr": [0.1, 0.2], "betas": [0.5, 0.6]}},
        },
        everything,
        registry,
    )
    assert len(found) == 8
    assert found[0] == {
        "layers": ["Dense", {"className": "Dense", "units": 1}],
        "named": {"head": {"units": 3}},
        "training": {"optimizer": {"lr": 0.1, "betas": [0.5, 0.6]}},
    }
    assert all(complete(config, everything, registry) for config in found)


def test_a_section_without_class_is_read_by_its_default(everything: Signature, registry: Registry) -> None:
    assert len(expanded({"classifier": {"trees": [10, 20]}}, everything, registry)) == 2
    assert len(expanded({"aggregation": {"layers": [10, 20]}},
               everything, registry)) == 1  # a tuple parameter
    assert (
        len(
            expanded(
                {"aggregation": {"className": "Attention", "inner": {"layers": each([1], [2])}}},
                everything,
                registry,
            )
        )
        == 2
    )


def test_old_spellings(holdout: Signature, registry: Registry) -> None:
    assert expanded({"Classifier": ["Forest", "BigForest"]}, holdout, registry) == [
        {"Classifier": "Forest"},
        {"Classifier": "BigForest"},
    ]


def test_raw_dicts_take_alternatives_only_with_each(everything: Signature, registry: Registry) -> None:
    assert expanded({"raw": {"a": [1, 2]}}, everything, registry) == [{"raw": {"a": [1, 2]}}]
    assert expanded({"raw": {"a": each(1, 2)}}, everything, registry) == [
                    {"raw": {"a": 1}}, {"raw": {"a": 2}}]
    assert expanded({"model": {"lr": [1, 2]}}, everything, registry) == [{"model": {"lr": [1, 2]}}]
    assert expanded({"model": each({"lr": 1}, "Forest")}, everything, registry) == [
        {"model": {"lr": 1}},
        {"model": "Forest"},
    ]
    assert expanded({"model": {"className": "Forest", "trees": [1, 2]}}, everything, registry) == [
        {"model": {"className": "Forest", "trees": 1}},
        {"model": {"className": "Forest", "trees": 2}},
    ]


def test_a_list_for_an_untyped_parameter_means_alternatives(registry: Registry) -> None:
    def function(n=3, sizes=(100,)): ...

    assert expanded({"n": [1, 2], "sizes": [50, 50]}, signature_of(function), registry) == [
        {"n": 1, "sizes": [50, 50]},
        {"n": 2, "sizes": [50, 50]},
    ]


def test_parameters_go_to_the_classes_that_have_them(holdout: Signature, registry: Registry) -> None:
    found = expanded(
        {"classifier": {"each": ["Forest", "Support"], "trees": [50, 100], "C": [1, 2]}}, holdout, registry
    )
    assert found == [
        {"classifier": {"className": "Forest", "trees": 50}},
        {"classifier": {"className": "Forest", "trees": 100}},
        {"classifier": {"className": "Support", "C": 1}},
        {"classifier": {"className": "Support", "C": 2}},
    ]
    assert found == expanded(
        {"classifier": {"className": ["Forest", "Support"], "trees": [50, 100], "C": [1, 2]}},
        holdout,
        registry,
    )
    with pytest.raises(ConfigError) as error:
        iter_grid({"classifier": {"each": ["Forest", "Support"], "tress": [1]}}, holdout, registry)
    assert str(error.value) == (
        "`classifier.tress`: none of the alternatives has such a parameter; did you mean 'trees'?"
    )


def test_values_of_the_wrong_type_are_left_to_completion(holdout: Signature, registry: Registry) -> None:
    assert expanded(
        {"clasifier": ["Forest"], "classifier": {"className": "Gone", "n": [1, 2]}}, holdout, registry
    ) == [{"clasifier": ["Forest"], "classifier": {"className": "Gone", "n": [1, 2]}}]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"depth": []}, "`depth`: an empty list of alternatives leaves nothing to run"),
        (
            {"classifier": {"trees": []}},
            "`classifier.trees`: an empty list of alternatives leaves nothing to run",
        ),
        (
            {"classifier": {"each": [], "trees": 1}},
            "`classifier`: an empty list of alternatives leaves nothing to run",
        ),
        ({"rates": {"each": 3}}, "`rates.each`: expected a list of alternatives, found 3"),
        (
            {"rates": [[0.1], [0.2]]},
            "`rates.0`: a list inside a list; alternatives of a list parameter are written",
        ),
        ({"each": [1]}, "grid: `each` needs a parameter before it"),
        ([1], "grid: expected a dict of hyper-parameters, found list"),
    ],
)
def test_mistakes(grid: Any, message: str, everything: Signature, registry: Registry) -> None:
    for read in (grid_size, iter_grid):
        with pytest.raises(ConfigError) as error:
            read(grid, everything, registry)
        assert str(error.value).startswith(message)
        assert "\n" not in str(error.value)


def test_an_empty_grid_is_one_config(everything: Signature, registry: Registry) -> None:
    assert expanded({}, everything, registry) == [{}]


def test_a_huge_grid_is_counted_and_streamed(everything: Signature, registry: Registry) -> None:
    grid = {
        "depth": list(range(1000)),
        "choice": list(range(1000)),
        "rates": each(*[[i] for i in range(1000)]),
    }
    assert grid_size(grid, everything, registry) == 10**9
    assert [c["rates"] for c in islice(iter_grid(grid, everything, registry), 3)] == [[0], [1], [2]]


def test_configs_share_nothing(everything: Signature, registry: Registry) -> None:
    one, two = expanded({"raw": {"a": []}, "depth": [1, 2]}, everything, registry)
    one["raw"]["a"].append(1)
    assert two["raw"] == {"a": []}


ALTERNATIVES = st.lists(st.integers(1, 9), min_size=1, max_size=3)
GRIDS = st.fixed_dictionaries(
    {},
    optional={
        "depth": ALTERNATIVES | st.integers(1, 9),
        "choice": ALTERNATIVES,
        "classifier": st.fixed_dictionaries(
            {"className": st.lists(st.sampled_from(["Forest", "BigForest"]), min_size=1)},
            optional={"trees": ALTERNATIVES},
        ),
        "layers": st.lists(
            st.fixed_dictionaries({"className": st.just("Dense"), "units": ALTERNATIVES}), max_size=2
        ),
    },
)


@settings(deadline=None)
@given(GRIDS)
def test_size_is_the_number_of_configs_and_each_is_valid(grid: dict[str, Any]) -> None:
    found = expanded(grid, EVERYTHING, CATALOG)
    for config in found:
        complete(config, EVERYTHING, CATALOG)


# -- the command line -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200", 200),
        ("1e-3", 1e-3),
        ("true", True),
        ("null", None),
        ('"200"', "200"),
        ("Forest", "Forest"),
        ("[1, 2]", [1, 2]),
        ('{"a": 1}', {"a": 1}),
        ("", ""),
        ("True", True),
        ("None", None),
        (".5", 0.5),
        ("-5.", -5.0),
        ("+3", 3),
        ("007", "007"),
        (".", "."),
        ("NaN", "NaN"),
        ("1.2.3", "1.2.3"),
        ("[1", "[1"),
        (" 3 ", 3),
        ("a b", "a b"),
        ("-", "-"),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = parse_value(text)
    assert unwrapped(found) == value
    assert type(unwrapped(found)) is type(value)
    if not isinstance(value, str | list | dict):           # a `str` parameter gets what was typed
        assert str(found) == text.strip()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('{"a": 1, "a": 2}', 'key "a" twice'),
        ("1e999", "too large for a float"),
        ("[NaN]", "NaN is not a JSON number"),
        ("[" * 70 + "]" * 70, "nested deeper than 64 levels"),
    ],
)
def test_values_that_no_config_may_hold(text: str, cause: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_assignments([f"a.b={text}"])
    assert str(error.value).startswith("`a.b`: ")
    assert cause in str(error.value)
    assert "\n" not in str(error.value)


def assigned(*texts: str) -> Any:
    return without_unquoted(parse_assignments(texts))


def test_assignments() -> None:
    assert assigned("classifier.trees=200", "classifier=Forest", "lr=0.1", "name=a=b") == {
        "classifier": {"className": "Forest", "trees": 200},
        "lr": 0.1,
        "name": "a=b",
    }
    assert parse_assignments([]) == {}
    assert assigned('c={"className": "Forest", "depth": 1}', "c.trees=2", "c.a.b=3") == {
        "c": {"className": "Forest", "depth": 1, "trees": 2, "a": {"b": 3}}
    }
    assert list(parse_assignments(["b.c.d=1", "a=2"])) == ["b", "a"]
    assert assigned("layers.1.units=8", 'layers=["Drop", "Dense"]') == {
        "layers": ["Drop", {"className": "Dense", "units": 8}]}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["lr"], "lr: expected name=value, as in classifier.trees=200"),
        (["=3"], "=3: expected name=value, as in classifier.trees=200"),
        (["a..b=3"], "a..b=3: expected name=value, as in classifier.trees=200"),
        (["a=1", "a=2"], "`a`: given twice; keep one"),
        (["a=1", "a.b=2"], "`a.b`: `a` is int 1 here and has nothing inside it"),
        (["a.b=null", "a.b.c=2"], "`a.b.c`: `a.b` is None here and has nothing inside it"),
    ],
)
def test_bad_assignments(texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_assignments(texts)
    assert str(error.value) == message


def test_grids_of_the_command_line(holdout: Signature, registry: Registry) -> None:
    assert without_unquoted(parse_grid(
        [
            "classifier=Forest,Support",
            "scaler=Unscaled",
            "lr=[0.1, 0.2]",
            "a=[1,2],[3]",
            'b="x,y"',
            'c={"d": 1},e',
            "f=1, 2",
        ]
    )) == {
        "classifier": each("Forest", "Support"),
        "scaler": "Unscaled",
        "lr": [0.1, 0.2],
        "a": each([1, 2], [3]),
        "b": "x,y",
        "c": each({"d": 1}, "e"),
        "f": each(1, 2),
    }
    grid = parse_grid(["classifier=Forest,Support", "classifier.C=1,10", "scaler=Unscaled,Standard"])
    assert grid_size(grid, holdout, registry) == 6
    assert (
        grid_size(parse_grid(['classifier=["Forest","Support"]',
                  "classifier.C=1,10"]), holdout, registry) == 3
    )
    with pytest.raises(ConfigError, match=r"^`lr`: 1,: an empty alternative; remove the extra comma"):
        parse_grid(["lr=1,"])
