"""Execute past runs again and compare the results."""
