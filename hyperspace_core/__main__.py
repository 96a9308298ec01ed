"""`hyperspace`, also as `python -m hyperspace_core`."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script."""
    from hyperspace_core.cli.entry import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
