"""What others bring: plugins and projects, found by entry point, loaded one by one, left out if they fail."""
