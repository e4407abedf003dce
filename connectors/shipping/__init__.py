"""Sources of shipping rates that ship with Penstock."""
