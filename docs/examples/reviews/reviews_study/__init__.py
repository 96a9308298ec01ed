"""Classify movie reviews as good or bad, trained on few of them."""
