"""Execute one run: its job, its process, and the fork server."""
