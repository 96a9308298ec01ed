"""What others bring: plugins and projects, found by entry point, loaded one by one, rolled back where they fail."""
