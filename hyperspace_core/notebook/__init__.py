"""Components defined in a notebook: run locally, then promoted into the package."""
