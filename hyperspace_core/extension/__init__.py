"""What others bring: plugins and projects, found by entry point, loaded one by one, left out whole where
they fail.
"""
