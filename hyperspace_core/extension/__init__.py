"""Plugins and projects: found by entry point, loaded one by one."""
