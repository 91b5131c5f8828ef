"""The claims and their comparisons: a module for each section of the paper."""
