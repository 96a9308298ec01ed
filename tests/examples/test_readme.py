"""The README's first command, after its installation, and its output."""

from __future__ import annotations

import re
from pathlib import Path

from support.shell import Shell

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def demo() -> str:
    command = README.partition("```bash\n")[2].partition("\n```")[0]
    return " && ".join(part.strip() for part in command.split("&&")[1:])


def test_six_runs_are_compared_best_first(here: Shell) -> None:
    output = here.run(demo()).stdout

    table = output[output.rindex("accuracy"):]
    rows = table.splitlines()[1:7]
    accuracies = [float(number) for row in rows for number in re.findall(r"\b0\.\d+", row)[:1]]
    assert len(accuracies) == 6
    assert accuracies == sorted(accuracies, reverse=True)
    assert all(accuracy > 0.9 for accuracy in accuracies)
    for name in ("Forest", "Support", "Linear", "Unscaled", "Standard"):
        assert name in table


def test_the_runs_are_stored_afterwards(here: Shell) -> None:
    here.run(demo())

    listed = here.run("hyperspace results holdout --project digits --json").stdout
    assert listed.count('"COMPLETED"') == 6
