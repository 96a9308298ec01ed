"""Plugins and projects: found by entry point, loaded one by one, left out on failure."""
