"""Run the command line: `hyperspace` or `python -m hyperspace_core`."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script."""
    try:
        from hyperspace_core.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:              # while the command line starts or ends
        sys.stderr.write("error: interrupted\n")
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
