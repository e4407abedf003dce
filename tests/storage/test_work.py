"""A unit of work commits whole or not at all, does not nest, and cannot write where it only reads."""

import pytest

from penstock.boundary import is_transaction_open
from storage.database import ReadOnlyBlock
from tests import make


def test_a_block_keeps_what_was_written_when_it_ends(work):
    cart = make.cart(items=2)
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)
    with work(make.SCOPE, read=True) as uow:
        assert uow.carts.get(cart.id) == cart


def test_an_exception_undoes_all_of_a_block(work):
    cart = make.cart(items=2)

    def add_and_fail():
        with work(make.SCOPE) as uow:
            uow.carts.add(cart)
            assert uow.carts.get(cart.id) is not None
            raise KeyError

    with pytest.raises(KeyError):
        add_and_fail()
    with work(make.SCOPE, read=True) as uow:
        assert uow.carts.get(cart.id) is None
        assert uow.carts.events(cart.id, after=0, limit=10) == []


@pytest.mark.parametrize("read", [True, False])
def test_blocks_do_not_nest(work, read):
    with work(make.SCOPE) as uow:
        with pytest.raises(RuntimeError, match="already open"), work(make.SCOPE, read=read):
            pass
        uow.carts.add(make.cart())
    with work(make.SCOPE):
        pass


@pytest.mark.parametrize("read", [True, False])
def test_an_open_block_can_be_seen_from_outside(work, read):
    with work(make.SCOPE, read=read):
        assert is_transaction_open()
    assert not is_transaction_open()


def test_a_block_that_reads_cannot_write(work):
    cart = make.cart(items=1)
    with work(make.SCOPE, read=True) as uow:
        for write in (lambda: uow.carts.add(cart), lambda: uow.due.done("expire_session", cart.id)):
            with pytest.raises(ReadOnlyBlock):
                write()
    with work(make.SCOPE, read=True) as uow:
        assert uow.carts.get(cart.id) is None


def test_now_is_what_the_clock_says(work, clock):
    with work(make.SCOPE) as uow:
        assert uow.now == clock.now()
