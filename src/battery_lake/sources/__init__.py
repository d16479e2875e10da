"""Where messages come from; every source yields the same envelope."""
