"""Count the words that the house's English does without; fail where a count rises.

`python tests/meta/words.py` prints a line an area: words found, and how many are allowed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORDS = re.compile(r"\b(whoever|whatever|whichever|nobody|somebody|told|what is there|all that)\b",
                   re.IGNORECASE)
# area: the files, and how many there may be
BOUNDS = {
    "core": (("hyperspace_core/*.py",), 19),
    "plugins": (("plugins/*/src/*.py", "plugins/*/README.md"), 19),
    "docs": (("docs/*.md", "README.md", "SECURITY.md"), 19),
}


def found_in(patterns: tuple[str, ...]) -> list[str]:
    """Each place as `file:line: word`."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True,
                            check=True).stdout
    return [f"{name}:{number}: {word}" for name in filter(None, listed.split("\0"))
            for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), start=1)
            for word in WORDS.findall(line)]


def main() -> int:
    failed = False
    for area, (patterns, most) in BOUNDS.items():
        found = found_in(patterns)
        print(f"{area}: {len(found)} of at most {most}")
        if len(found) > most:
            failed = True
            print("\n".join(found))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
