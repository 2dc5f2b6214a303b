"""The worker: the only one that moves a run. Its clock drives advance, deliver, ingest, sweep and nightly work."""
