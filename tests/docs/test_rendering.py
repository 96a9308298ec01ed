"""Every page can be read on a code host and in an editor, without the documentation build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = sorted(str(path.relative_to(ROOT)) for path in [
    ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
    if "_build" not in path.parts)
LEAST_TEXT = 100               # characters that a page shows beside its headings


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def inlines(page: Path) -> Iterator[list[Token]]:
    for token in tokens(page):
        if token.type == "inline":
            yield token.children or []


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Target and text of each link, and of each image with its description."""
    for children in inlines(page):
        for number, token in enumerate(children):
            if token.type == "link_open":
                end = next(at for at in range(number, len(children)) if children[at].type == "link_close")
                yield str(token.attrGet("href")), shown(children[number:end])
            elif token.type == "image":
                yield str(token.attrGet("src")), token.content


def shown(children: list[Token]) -> str:
    return "".join(token.content for token in children if token.type in ("text", "code_inline", "image"))


def anchors(page: Path) -> set[str]:
    """As code hosts make them of headings."""
    found: set[str] = set()
    for before, token in zip(tokens(page), tokens(page)[1:], strict=False):
        if before.type == "heading_open":
            slug = re.sub(r"[^\w\- ]", "", shown(token.children or []).lower()).replace(" ", "-")
            names = (slug if number == 0 else f"{slug}-{number}" for number in range(1000))
            found.add(next(name for name in names if name not in found))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_link_has_a_text(page: str) -> None:
    assert [target for target, text in links(ROOT / page) if not text.strip()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    wrong = []
    for target, _ in links(ROOT / page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(target)

    assert wrong == []


@pytest.mark.parametrize("page", [page for page in PAGES if re.match(r"docs/(howto/)?[^/]+$", page)])
def test_a_page_links_within_the_documentation(page: str) -> None:
    """The documentation build has no other files."""
    inside = [target for target, _ in links(ROOT / page) if not re.match(r"[a-z]+:|#", target)]

    assert [target for target in inside
            if not (ROOT / page).parent.joinpath(target).resolve().is_relative_to(ROOT / "docs")] == []


@pytest.mark.parametrize("page", PAGES)
def test_nothing_needs_the_documentation_build(page: str) -> None:
    """No role, directive, target or definition list: elsewhere these are not shown as they are meant."""
    wrong = [token.info for token in tokens(ROOT / page)
             if token.type == "fence" and token.info.startswith("{")]
    wrong += [token.content for token in tokens(ROOT / page)
              if token.type == "html_block" and not re.fullmatch(r"<!-- .* -->\s*", token.content)]
    for children in inlines(ROOT / page):
        text = "".join({"softbreak": "\n", "code_inline": "`"}.get(token.type, token.content)
                       for token in children)
        wrong += re.findall(r"\{[\w:-]+\}`|^:{3,}.*|^: .*|^\([\w-]+\)=$|^\.\. \w.*|^%.*", text, re.M)

    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_a_title_and_text(page: str) -> None:
    found = tokens(ROOT / page)
    headings = {number + 1 for number, token in enumerate(found) if token.type == "heading_open"}
    text = "".join(shown(token.children or []) for number, token in enumerate(found)
                   if token.type == "inline" and number not in headings)

    assert found[0].tag == "h1"
    assert len(text) >= LEAST_TEXT
