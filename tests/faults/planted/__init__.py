"""Bugs that the fault tests must catch; each is planted in a copy of the tree, never in this one."""
