"""Test support for hyperspace: throw-away projects, and the conformance suite for stores."""
