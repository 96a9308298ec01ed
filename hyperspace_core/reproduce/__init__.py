"""A past run once more: on its own code or on today's, and whether that gave the same result."""
