"""Pages about the charts, made of what the charts say themselves."""
