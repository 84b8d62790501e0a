"""Builds the facility's images: same inputs, same tag, no second build."""
