"""A key is claimed once, answers again for a day, and is taken over from whoever never answered."""

from datetime import timedelta

import pytest

from penstock.errors import IdempotencyConflict, IdempotencyInProgress
from penstock.ports import StoredAnswer
from storage.idempotency import LIFETIME, sweep
from tests import make

ANSWER = StoredAnswer(201, b'{"id":"\xc3\xa9"}', {"Location": "/carts/1"})


def claim(work, fingerprint="f", *, principal="p", operation="op", key="k"):
    with work(make.SCOPE) as uow:
        return uow.idempotency.claim(principal, operation, key, fingerprint, 60)


def store(work, answer=ANSWER):
    with work(make.SCOPE) as uow:
        uow.idempotency.store("p", "op", "k", answer)


def test_an_answer_comes_back_byte_for_byte(work):
    assert claim(work) is None
    store(work)
    assert claim(work) == ANSWER


def test_another_request_is_a_conflict_before_and_after_the_answer(work):
    claim(work)
    with pytest.raises(IdempotencyConflict):
        claim(work, "other")
    store(work)
    with pytest.raises(IdempotencyConflict):
        claim(work, "other")


def test_a_running_request_is_waited_for(work, clock):
    claim(work)
    clock.advance(timedelta(seconds=59))
    with pytest.raises(IdempotencyInProgress) as refused:
        claim(work)
    assert refused.value.headers == {"Retry-After": "1"}


def test_a_request_that_never_answered_is_taken_over(work, clock):
    claim(work)
    clock.advance(timedelta(seconds=60))
    assert claim(work) is None
    with pytest.raises(IdempotencyInProgress):
        claim(work)


def test_a_key_is_new_again_after_a_day(work, clock):
    claim(work)
    store(work)
    clock.advance(LIFETIME - timedelta(microseconds=1))
    assert claim(work) == ANSWER
    clock.advance(timedelta(microseconds=1))
    assert claim(work, "other") is None
    with pytest.raises(IdempotencyInProgress):
        claim(work, "other")


@pytest.mark.parametrize("other", [{"principal": "q"}, {"operation": "other"}, {"key": "K"}])
def test_a_key_counts_for_one_caller_and_operation(work, other):
    claim(work)
    store(work)
    assert claim(work, "other", **other) is None


def test_a_key_of_an_undone_block_was_never_claimed(work):
    def fail():
        with work(make.SCOPE) as uow:
            uow.idempotency.claim("p", "op", "k", "f", 60)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert claim(work, "other") is None


def test_a_claim_without_an_answer_can_be_freed_and_an_answer_cannot(work):
    def forget():
        with work(make.SCOPE) as uow:
            uow.idempotency.forget("p", "op", "k")

    claim(work)
    forget()
    assert claim(work, "other") is None
    store(work)
    forget()
    assert claim(work, "other") == ANSWER


def test_old_keys_are_swept_and_young_ones_stay(work, clock, database):
    claim(work, key="old")
    clock.advance(LIFETIME)
    claim(work)
    store(work)
    assert sweep(database, clock.now()) == 1
    assert sweep(database, clock.now()) == 0
    assert claim(work) == ANSWER
