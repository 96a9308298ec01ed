"""Config trees: plain JSON-able dicts, and the signatures that they are checked against and completed from.

Pure data and pure functions: nothing here knows of runs, stores, hooks or the command line.
"""
