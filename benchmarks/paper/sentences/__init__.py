"""The paper's sentences and what is compared for each: a module for each section."""
