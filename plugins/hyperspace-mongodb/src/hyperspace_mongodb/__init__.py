"""MongoDB as a store of hyperspace. Imports nothing heavy: `plugin` is loaded by every command."""
