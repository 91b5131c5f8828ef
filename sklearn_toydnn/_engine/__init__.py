"""Training: of a plan, data and a state it makes an outcome. It knows no estimator."""
