"""Finding, checking, ranking and calling plugins."""
