"""Bronze transforms."""
