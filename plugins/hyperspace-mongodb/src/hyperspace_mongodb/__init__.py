"""MongoDB as a store of hyperspace. Light imports: commands load `plugin`."""
