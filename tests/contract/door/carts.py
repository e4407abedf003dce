"""Stand-ins for the real handlers: they note that a request came through."""


class Reply:
    def __init__(self, body, status):
        self.body, self.status, self.headers = body, status, {}


def create_cart(uow, body):
    uow.notes.append(body)
    return {"id": "made"}


def get_cart(uow, id_):
    uow.notes.append(id_)
    return {"id": id_}


def add_item(uow, id_, body):
    uow.notes.append(body)
    return {"id": id_}


def list_events(uow, id_, since_sequence, limit):
    return {"data": [since_sequence, limit]}
