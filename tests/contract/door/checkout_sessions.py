"""A stand-in for the real handler."""


def create_session(uow, body):
    uow.notes.append(body)
    return {"id": "made"}
