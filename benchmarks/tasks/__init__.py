"""The tasks of ``benchmarks/accuracy.py``, one module each."""
