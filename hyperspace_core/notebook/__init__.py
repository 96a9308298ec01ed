"""Components that are typed into a notebook: used here and now, then written into the project's package."""
