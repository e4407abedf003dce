"""The rules of the house, and the only package that a plugin author imports."""

__version__ = "0.1.0"
