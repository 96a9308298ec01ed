"""The worker: claim runs, supervise their processes, and store their output."""
