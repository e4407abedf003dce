"""Use cases: one module for each, with one public function of the same name."""
