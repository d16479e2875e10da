"""What the benchmarks share: interleaved runs, a Spark session of their own, printed results."""
