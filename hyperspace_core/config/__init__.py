"""Config trees: plain JSON-able dicts, checked and completed from signatures.

Pure data and pure functions: nothing here depends on runs, stores, hooks or the command line.
"""
