"""A fleet with known truth, and the replay of measured cells: what the demonstration and the proofs feed."""
