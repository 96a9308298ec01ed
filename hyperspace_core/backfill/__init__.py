"""Migrate stored configs to the current code, and check them against it."""
