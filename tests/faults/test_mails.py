"""A worker that dies while a mail is on its way never has it sent twice: the mail server is the witness."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from penstock.caller import Scope
from penstock.flows.change_cart import add_item
from penstock.flows.open_cart import open_cart
from storage import tables
from storage.engine import parse
from tests.faults.evidence import evidence
from tests.faults.test_sweeps import AGAIN, TWO_DAYS, sweep
from tests.faults.town import environ_of
from tests.faults.tree import ROOT, plant
from tests.make import scope
from tests.postoffice import PostOffice, opened_office
from tests.shops import SECRET, opened_house


def left_cart(house, mine: Scope) -> None:
    """A cart whose buyer can be written to."""
    with house.work(mine) as uow:
        config = uow.embed_configs.get()
        uow.embed_configs.put(replace(config, cart_recovery_url_template="https://shop.example/{cartId}"))
        fields = {"application_id": mine.application_id, "currency": "EUR", "customer_email": "ada@example.com"}
        cart = open_cart(uow, fields)
    with house.work(mine) as uow:
        add_item(uow, cart.id, {"name": "Mug", "unit_price": 1250})


@contextmanager
def swept(tree: Path, databases, folder: Path, point: str) -> Iterator[tuple[PostOffice, str]]:
    """Kill a worker at a point while it sends a mail, and let another one go on; yields the witness and the database."""
    with opened_office() as office, opened_house(databases, folder) as house:
        left_cart(house, scope())
        mail = {"host": "127.0.0.1", "port": office.port, "security": "none"}
        given = {"MAIL": "smtp", "MAIL_FROM": "shop@pay.example.com", "MAIL_SETTINGS": json.dumps(mail)}
        given |= {"SECRET_KEY": SECRET, "STATE_DIR": str(folder)}
        url = house.settings.database_url
        environ = environ_of(tree, url, **{f"PENSTOCK_{name}": value for name, value in given.items()})
        assert sweep(tree, environ, TWO_DAYS, f"{point}=kill") == -signal.SIGKILL
        assert sweep(tree, environ, TWO_DAYS + AGAIN) == 0
        yield office, url


def status(url: str) -> str:
    engine = sa.create_engine(parse(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return connection.execute(sa.select(tables.mails.c.status)).scalar_one()


@pytest.mark.parametrize(("point", "sent"), [("mail.after_send", 1), ("mail.after_begin", 0)])
def test_a_kill_while_a_mail_is_sent_sends_no_second_one(
    database: str, databases, tmp_path: Path, point: str, sent: int
):
    with (
        evidence(f"mail killed at {point}", database) as trial,
        swept(ROOT, databases, tmp_path, point) as (office, url),
    ):
        trial.trials, trial.failures = 1, int(len(office.taken) != sent)
        assert (len(office.taken), status(url)) == (sent, "unknown")


def test_a_try_that_is_not_written_down_is_caught(sqlite_databases, tmp_path: Path):
    tree = plant("unmarked_mail", tmp_path)
    with (
        evidence("planted: unmarked_mail", "sqlite") as trial,
        swept(tree, sqlite_databases, tmp_path, "mail.after_send") as (office, _),
    ):
        trial.trials, trial.failures, trial.remark = 1, len(office.taken) - 1, f"caught: {len(office.taken)} mails"
        assert len(office.taken) == 2
