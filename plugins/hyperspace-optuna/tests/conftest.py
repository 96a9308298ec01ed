from __future__ import annotations

import sys
from pathlib import Path

# the functions that the benchmark tunes
sys.path.append(str(Path(__file__).parents[3] / "tests" / "bench" / "tuning"))
