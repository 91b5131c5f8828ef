"""Training as one compiled program: traced, compiled, lent to fits and kept on disk."""
