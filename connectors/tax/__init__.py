"""Tax engines that ship with Penstock."""
