"""Moving house: copies of runs between two stores, by the port's verbs alone.

A copy may be killed at any moment and begun again: what is there already is not brought twice, and nothing at
the destination is ever overwritten.
"""
