"""Results of runs: comparison tables, frames, plots, and the overview of a queue."""
