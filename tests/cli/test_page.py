"""Tests of page lines: complete in a pipe, cut or folded on a terminal."""

from __future__ import annotations

import click
from hypothesis import given, strategies as st

from hyperspace_core.cli.terminal import Page
from hyperspace_core.results.format import folds, width

LONG = "one two three four five six seven eight nine ten"


def plain(page: Page) -> list[str]:
    return click.unstyle(page.text).split("\n")


def test_a_pipe_gets_whole_lines() -> None:
    page = Page()
    page.line(LONG, (LONG, "bad"), indent=2)

    assert plain(page) == [f"  {LONG}  {LONG}"]


def test_a_terminal_gets_cut_lines() -> None:
    page = Page(20)
    page.line(LONG, indent=2)

    assert plain(page) == ["  one two three fou…"]


def test_lines_can_fold_at_blanks_with_an_indent() -> None:
    page = Page(20, fold=True)
    page.line(("warning", "held"), LONG, hang=9)

    assert plain(page) == ["warning  one two", "         three four", "         five six",
                           "         seven eight", "         nine ten"]


def test_a_folded_line_keeps_its_colours() -> None:
    page = Page(12, fold=True)
    page.line(("bad news", "bad"), "and good", hang=0)

    assert page.text == f"{click.style('bad news', fg='red')}\nand good"


def test_the_last_column_folds_below_its_start() -> None:
    page = Page(30, fold=True)
    page.rows([("a", "b", "one two three four five"), ("long", "b", "x")])

    assert plain(page) == ["  a     b  one two three four", "           five", "  long  b  x"]


def test_a_path_longer_than_a_line_is_not_cut() -> None:
    assert folds(f"see /a/very/long/path/indeed and {LONG[:7]}", 10, 10) == [
        "see", "/a/very/long/path/indeed", "and one", "two"]


def test_an_empty_line_is_a_line() -> None:
    page = Page(20, fold=True)
    page.line("a")
    page.line("")
    page.line("b")

    assert plain(page) == ["a", "", "b"]


@given(st.text("ab 全é", max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_folding_keeps_all_words_and_cuts_no_word(text: str, room: int, rest: int) -> None:
    lines = folds(text, room, rest)

    assert " ".join(lines).split() == text.split()
    for number, line in enumerate(lines):
        assert width(line) <= (rest if number else room) or " " not in line.strip()
