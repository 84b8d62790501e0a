"""What `helm test` runs, in pods that hold no secret: each asks what any stranger may ask, and says what is wrong."""
