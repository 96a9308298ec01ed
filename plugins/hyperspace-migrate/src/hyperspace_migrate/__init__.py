"""Migrate stored configs to the current code, check them against it, and copy runs to another store."""
