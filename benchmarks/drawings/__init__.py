"""Pictures of the estimates beside what was measured, one module a kind."""
