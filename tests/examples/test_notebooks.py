"""The example notebooks, executed from top to bottom on a copy of the digits project."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient", reason="notebooks are executed by nbclient and ipykernel")
pytest.importorskip("ipykernel", reason="notebooks are executed by nbclient and ipykernel")

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NOTEBOOKS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))


def executed(notebook: Path, folder: Path) -> tuple[Any, Any]:
    """The stored and the executed notebook; classes that it promotes go into the copy."""
    import nbformat

    shutil.copytree(EXAMPLES / "digits", folder / "digits", ignore=shutil.ignore_patterns("__pycache__"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HYPERSPACE_")}
    environment = kept | {"PYTHONPATH": str(folder / "digits"), "XDG_DATA_HOME": str(folder / "data"),
                          "XDG_STATE_HOME": str(folder / "state"), "IPYTHONDIR": str(folder / "ipython")}
    before, after = (nbformat.read(notebook, as_version=4) for _ in range(2))
    nbclient.NotebookClient(after, timeout=240, kernel_name="python3",
                            resources={"metadata": {"path": str(folder)}}).execute(env=environment)
    return before, after


def texts(notebook: Any) -> list[str]:
    """The text output of its code cells, cell by cell."""
    return ["".join(output.get("text", "") or output.get("data", {}).get("text/plain", "")
                    for output in cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning",
                            "ignore:.*TCP without encryption")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_reproduces_its_stored_output(notebook: Path, tmp_path: Path) -> None:
    before, after = executed(notebook, tmp_path)

    shown, kept = texts(after), texts(before)
    assert [bool(text) for text in shown] == [bool(text) for text in kept]
    assert any("identical" in text for text in shown)
    assert not any("Traceback" in text for text in shown)


def test_stored_notebooks_are_small_and_name_no_machine() -> None:
    assert len(NOTEBOOKS) == 2
    for notebook in NOTEBOOKS:
        text = notebook.read_text(encoding="utf-8")
        assert len(text) < 50_000
        assert "/tmp/" not in text and "/root/" not in text
