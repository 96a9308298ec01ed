"""Searches: what to run next, from all comparable runs; asked by workers, followed by people."""
