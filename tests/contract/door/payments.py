"""A stand-in for the real handler."""


def list_payments(uow, params):
    return {"data": [], "params": {name: value for name, value in params.items() if value is not None}}
