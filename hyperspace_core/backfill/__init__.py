"""Migrate stored configs to the project's current code, and check them against it."""
