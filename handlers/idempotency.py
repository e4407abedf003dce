"""The door's side of idempotency keys: what makes two requests the same, and when the claim and the answer are written."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import orjson

from handlers.envelope import Envelope
from handlers.request import Request
from handlers.respond import GUARDS, Answer, decoded, encoded
from handlers.sealing import Seal, Unreadable
from penstock.caller import Caller
from penstock.errors import ApiError, Fault, IdempotencyConflict, InvalidRequest
from penstock.failpoint import failpoint
from penstock.ports import OpenWork, StoredAnswer, UnitOfWork

HEADER: Final = b"idempotency-key"
ACCEPTED: Final = 202
REPLAY: Final = (b"idempotency-replay", b"true")
# Longer than the slowest cascade: until then a repeat is told that the first request still runs.
LEASE_SECONDS: Final = 300
_KEY: Final = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_GUARDS: Final = frozenset(name for name, _ in GUARDS)


class Replayed(BaseException):
    """The key has its answer already; carries it out of a handler's first block.

    No `Exception`, so that no flow takes it for a failure of its own.
    """

    def __init__(self, stored: StoredAnswer) -> None:
        self.stored = stored


class Claim:
    """One request under one key."""

    __slots__ = ("_fingerprint", "_key", "_operation", "_place", "_principal_id", "_seal", "is_made", "ref")

    def __init__(self, operation: str, key: str, caller: Caller, fingerprint: str, seal: Seal) -> None:
        self._operation = operation
        self._key = key
        self._principal_id = caller.principal_id
        self._fingerprint = fingerprint
        self._seal = seal
        scope = caller.scope
        place = (scope.workspace_id, scope.environment_id, scope.application_id, caller.principal_id, operation, key)
        self._place = "\n".join(place).encode()
        self.ref = hashlib.sha256(self._place).hexdigest()
        self.is_made = False

    def make(self, uow: UnitOfWork) -> None:
        """Claim the key in an open block; raises `Replayed` where it has an answer."""
        stored = uow.idempotency.claim(self._principal_id, self._operation, self._key, self._fingerprint, LEASE_SECONDS)
        if stored is not None:
            raise Replayed(self._opened(stored))
        self.is_made = True

    def store(self, uow: UnitOfWork, answer: Answer) -> None:
        """Keep the answer for repeats."""
        kept = tuple((name, value) for name, value in answer.headers if name not in _GUARDS)
        stored = StoredAnswer(answer.status, self._seal.close(answer.body, self._place), decoded(kept))
        uow.idempotency.store(self._principal_id, self._operation, self._key, stored)

    def _opened(self, stored: StoredAnswer) -> StoredAnswer:
        try:
            return StoredAnswer(stored.status, self._seal.open(stored.body, self._place), stored.headers)
        except Unreadable:
            raise IdempotencyConflict("The answer under this Idempotency-Key cannot be read any more.") from None

    def forget(self, uow: UnitOfWork) -> None:
        """Free the key: the answer was one that a repeat should not get again."""
        uow.idempotency.forget(self._principal_id, self._operation, self._key)


def claim_for(request: Request, operation: str, caller: Caller, body: Any, seal: Seal) -> Claim | None:
    """Return the claim that a request makes, or None where it has no key."""
    raw = request.headers.get(HEADER)
    if raw is None:
        return None
    if _KEY.fullmatch(raw) is None:
        raise InvalidRequest(Fault("/Idempotency-Key", "pattern", "must be 1 to 255 printable ASCII characters"))
    digest = hashlib.sha256(b"%s %s?%s\n" % (request.method.encode(), request.path, request.query))
    digest.update(b"" if body is None and not request.body else orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
    return Claim(operation, raw.decode(), caller, digest.hexdigest(), seal)


def replay(stored: StoredAnswer) -> Answer:
    """Return the answer that a repeat gets."""
    return Answer(stored.status, stored.body, (*encoded(stored.headers), *GUARDS, REPLAY))


class OneBlock:
    """Claim, work and answer in one transaction: for handlers that take `uow`."""

    def __init__(self, open_work: OpenWork, envelope: Envelope) -> None:
        self._open = open_work
        self._envelope = envelope

    def run(self, request: Request, caller: Caller, claim: Claim | None, act: Callable[[UnitOfWork], Answer]) -> Answer:
        """Return the answer of a handler, or the one that its key already has."""
        if claim is None:
            with self._open(caller.scope) as uow:
                return act(uow)
        try:
            with self._open(caller.scope) as uow:
                claim.make(uow)
                answer = act(uow)
                if self._envelope.may_pass(answer):
                    claim.forget(uow)
                else:
                    claim.store(uow, answer)
                return answer
        except Replayed as found:
            return replay(found.stored)
        except ApiError as error:
            answer = self._envelope.answer(error, request.id)
            if not (claim.is_made and self._envelope.is_final(answer)):
                raise
        claim.is_made = False  # the refusal undid the block, and the claim in it
        return _kept(self._open, caller, claim, answer)


def _kept(open_work: OpenWork, caller: Caller, claim: Claim, answer: Answer) -> Answer:
    """Write an answer under its claim, with the claim where it does not stand, and return what the client gets."""
    try:
        with open_work(caller.scope) as uow:
            if not claim.is_made:
                claim.make(uow)
            claim.store(uow, answer)
    except Replayed as found:
        return replay(found.stored)
    return answer


class OwnBlocks:
    """The claim in the handler's first block, the answer in one of its own: for handlers that take `work`."""

    def __init__(self, open_work: OpenWork, envelope: Envelope) -> None:
        self._open = open_work
        self._envelope = envelope

    def run(
        self, request: Request, caller: Caller, claim: Claim | None, act: Callable[["BoundWork"], Answer]
    ) -> Answer:
        """Return the answer of a handler, or the one that its key already has."""
        work = BoundWork(self._open, caller, claim)
        if claim is None:
            return act(work)
        try:
            answer = act(work)
        except Replayed as found:
            return replay(found.stored)
        except ApiError as error:
            answer = self._envelope.answer(error, request.id)
            if not self._envelope.is_final(answer):
                self._free(caller, claim)
                raise
        except Exception:
            self._free(caller, claim)
            raise
        # Where the outcome is open the repeat is how a client learns it.
        if answer.status == ACCEPTED or self._envelope.may_pass(answer):
            self._free(caller, claim)
            return answer
        return _kept(self._open, caller, claim, answer)

    def _free(self, caller: Caller, claim: Claim) -> None:
        if claim.is_made:
            with self._open(caller.scope) as uow:
                claim.forget(uow)


class BoundWork:
    """Opens units of work for one caller; the first one that writes makes the claim."""

    __slots__ = ("_caller", "_claim", "_open")

    def __init__(self, open_work: OpenWork, caller: Caller, claim: Claim | None) -> None:
        self._open = open_work
        self._caller = caller
        self._claim = claim

    def __call__(self, *, read: bool = False) -> AbstractContextManager[UnitOfWork]:
        """Open one block."""
        if read or self._claim is None:
            return self._open(self._caller.scope, read=read)
        return self._later(self._claim) if self._claim.is_made else self._first(self._claim)

    @contextmanager
    def _later(self, claim: Claim) -> Iterator[UnitOfWork]:
        with self._open(self._caller.scope) as uow:
            uow.request_ref = claim.ref
            yield uow

    @contextmanager
    def _first(self, claim: Claim) -> Iterator[UnitOfWork]:
        try:
            with self._open(self._caller.scope) as uow:
                claim.make(uow)
                uow.request_ref = claim.ref
                yield uow
        except BaseException:
            # Rolled back, and the claim with it.
            claim.is_made = False
            raise
        failpoint("key.after_commit")
