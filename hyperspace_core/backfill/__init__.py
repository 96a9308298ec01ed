"""Stored configs brought to what the project's code calls things today, and checked against it."""
