"""The science: what voltage, current and time say of every cell. NumPy and SciPy only."""
