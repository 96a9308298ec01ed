"""A run as a folder that programs without a store can use: written, loaded, and checked by golden data."""
