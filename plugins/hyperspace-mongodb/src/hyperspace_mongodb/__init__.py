"""MongoDB as a store of hyperspace. Keep imports light: every command loads `plugin`."""
