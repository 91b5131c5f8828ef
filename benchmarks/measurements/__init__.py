"""Studies of the speed, memory and correctness of this package."""

MEASUREMENTS = ["speed", "scaling", "soak", "calibration", "playground"]
