"""What is run, kept and compared: parameters, stages, the cache, statistics, provenance."""
