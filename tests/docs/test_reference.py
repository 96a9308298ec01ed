"""What the pages show of the code is what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.scripts import ROOT, script

SCRIPT = script("write_reference")
PAGES = [str(page.relative_to(ROOT)) for page in SCRIPT.pages()
         if SCRIPT.BLOCK.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_up_to_date_with_the_code(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")

    assert SCRIPT.updated(text) == text, "type: python docs/write_reference.py"


def test_the_pages_that_are_made_from_code_have_their_blocks() -> None:
    assert {"docs/cli.md", "docs/hooks.md", "docs/python.md", "docs/exit-codes.md"} <= set(PAGES)


def test_an_excerpt_is_a_whole_file_an_object_or_lines(tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    one = "@dataclass\nclass One:\n    size: int = 1\n    name: str = ''"
    file.write_text(f"import os\n\n\n{one}\n\n\nTWO = 2\n")

    assert SCRIPT.excerpt(file, "") == file.read_text()
    assert SCRIPT.excerpt(file, "One") == one
    assert SCRIPT.excerpt(file, '"size" to "name"') == "size: int = 1\nname: str = ''"
    assert SCRIPT.excerpt(file, '"size" before "name"') == "size: int = 1"
    assert SCRIPT.excerpt(file, '"TWO"') == "TWO = 2"


def test_a_block_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="defined in"):
        SCRIPT.updated("<!-- from: api NoSuchName -->\n<!-- end -->")
