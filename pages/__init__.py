"""Pages for people: the hosted checkout and the docs, rendered on the server."""
