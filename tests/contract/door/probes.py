"""Handlers for the probes. Text `!code` asks for that error, raised, and `?code` for it, returned; `!boom` for a failure that nobody expected."""

import time

from sqlalchemy.exc import OperationalError

from penstock.errors import all_errors


class Reply:
    def __init__(self, body, status, headers=None):
        self.body, self.status, self.headers = body, status, headers or {}


def _maybe_fail(text):
    if text == "!boom":
        raise RuntimeError("secret detail: SELECT * FROM carts WHERE key = 'sk_live_abc'")
    if text.startswith("!"):
        raise all_errors()[text[1:]]


def add_note(uow, caller, body):
    uow.notes.append(body["text"])
    if body["text"].startswith("?"):
        return all_errors()[body["text"][1:]]()
    time.sleep(0.05 if body["text"] == "slow" else 0)
    _maybe_fail(body["text"])
    return Reply({"text": body["text"], "count": len(uow.notes), "by": caller.principal_id}, 201, {"X-Note": "yes"})


def list_notes(uow, *, limit, is_open, kind, day, x_flavor):
    return {"limit": limit, "isOpen": is_open, "kind": kind, "day": day, "flavor": x_flavor, "count": len(uow.notes)}


def work_note(work, note_id, body):
    text = body["text"] if body else "none"
    with work() as uow:
        uow.notes.append(text)
    time.sleep(0.2 if text == "slow" else 0)
    if text.startswith("?"):
        return all_errors()[text[1:]]()
    _maybe_fail(text)
    with work() as uow:
        count = len(uow.notes)
    return {"text": text, "count": count, "id": note_id}


def drop_note(uow, note_id):
    uow.notes.append(f"drop {note_id}")


def trouble(kind, house, params):
    if kind == "boom":
        raise RuntimeError("secret detail: /srv/app SELECT 1")
    if kind == "away":
        raise OperationalError("SELECT secret", {}, Exception("connection refused"))
    if kind == "undeclared":
        return Reply({}, 418)
    if kind == "broken":
        return Reply({"text": 5}, 201)
    if kind == "slow":
        time.sleep(0.5)
    return {"kind": kind}


def members_only(caller):
    return {"kind": caller.kind}


def either(caller):
    return {"kind": caller.kind}


def for_pages(caller):
    return {"kind": caller.kind}


def session(caller, id_):
    return {"kind": caller.kind, "principal": caller.principal_id, "id": id_}
