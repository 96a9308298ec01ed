"""`python -m hyperspace_mongodb.testing`: run a trial server until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from hyperspace_mongodb.testing.environment import SERVER, ServerNotInstalled
from hyperspace_mongodb.testing.server import Server


def main() -> int:
    """Run the command; the exit code."""
    asked = _parser().parse_args()
    server = Server(asked.folder, "--sync-on-commit", port=asked.port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with server:
            sys.stdout.write(f"{SERVER} listens until Ctrl-C; use --storage {server.uri}\n")
            sys.stdout.flush()
            server.wait()
    except KeyboardInterrupt:
        return 0
    except ServerNotInstalled as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"error: {error.filename}: {error.strerror}\n")
        return 1
    except RuntimeError as error:          # the port or the folder is in use: its own error message
        sys.stderr.write(f"error: {str(error).strip().splitlines()[-1]}\n")
        return 1
    sys.stderr.write("error: the server has ended unexpectedly\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hyperspace_mongodb.testing",
        description=f"Run {SERVER}, a small server that speaks MongoDB's protocol, for trials: on this "
                    "machine only, without a password.")
    parser.add_argument("--folder", type=Path, default=Path("mongodb-to-try"), metavar="DIR",
                        help="folder of its data [default: %(default)s]")
    parser.add_argument("--port", type=_port, default=27017, metavar="N",
                        help="port to listen on; 0 means a free one [default: %(default)s]")
    return parser


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
