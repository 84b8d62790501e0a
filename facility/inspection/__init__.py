"""`facility check`: what is wrong with a facility."""
