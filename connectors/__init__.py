"""The providers that ship with Penstock, each written as a stranger would write it."""
