"""The store is found without an installation, so that other tests do not see its plugin."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
