"""Export runs to folders, load components from them, check golden data."""
