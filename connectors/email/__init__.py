"""Ways for e-mail to leave that ship with Penstock."""
