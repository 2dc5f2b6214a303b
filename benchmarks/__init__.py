"""Benchmarks: what the hot paths cost, each as a ratio against a baseline measured in the same run."""
