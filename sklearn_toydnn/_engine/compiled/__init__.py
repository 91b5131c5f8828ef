"""Training as one compiled program: tracing, compiling and caching."""
