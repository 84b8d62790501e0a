"""Facts in, findings out: one module for each thing that can be wrong. Pure."""
