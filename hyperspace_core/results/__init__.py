"""What runs have shown: comparison tables, frames, an overview of a queue. Pure functions of records."""
