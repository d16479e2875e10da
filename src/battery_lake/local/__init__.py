"""Stand-ins for cloud services that run on this machine, for tests, demonstrations and benchmarks."""
