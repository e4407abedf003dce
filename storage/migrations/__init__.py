"""The schema's history: each revision says one step, for both databases."""
