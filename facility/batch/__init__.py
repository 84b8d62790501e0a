"""`facility batch`: what people need of a pool that HTCondor's own tools do not give them."""
