"""Searches: propose the next run from all comparable runs."""
