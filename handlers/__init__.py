"""The front door: one function for each operationId, and the hinges that bind them to the spec."""

import warnings

# Connexion's imports warn of Starlette's and jsonschema's plans: nothing that whoever starts a server could act upon.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import connexion  # noqa: F401 -- imported once, here, so that its warnings are given to nobody
