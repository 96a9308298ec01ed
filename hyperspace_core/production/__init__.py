"""Export runs to folders, load components from them, and check them by golden data."""
