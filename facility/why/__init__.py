"""`facility why URL`: why this person can, or cannot, read this file, told in sentences.

`gather` looks at everything that decides about it, `judge` makes sentences of what was found and is pure.
"""
