"""The themes of the conformance suite, each a class of tests that a store must pass."""
