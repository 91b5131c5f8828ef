"""What this package costs on the machine at hand; run when named."""

MEASUREMENTS = ["speed", "scaling", "soak"]
