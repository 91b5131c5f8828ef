"""What this package costs, and whether it is right; run when named."""

MEASUREMENTS = ["speed", "scaling", "soak", "calibration", "playground"]
