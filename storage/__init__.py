"""Tables, repositories, the unit of work: everything that remembers."""
