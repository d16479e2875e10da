"""Silver transforms."""
