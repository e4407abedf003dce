"""Seventeen faults by six operations: what a connector may say, when its provider or the wire misbehaves."""

# ruff: noqa: D102  a test's name is its sentence

import pytest

from penstock.conformance.bench import KEY, Bench, counts_money
from penstock.conformance.faults import FAULTS, Fault, faulty
from penstock.conformance.operations import FOLLOW_UP_LOOKUPS, OPERATIONS, Operation, Verdict, asked_of, judge
from penstock.conformance.provider import Heard, owed
from penstock.money import Money


class FaultMatrix(Bench):
    """Every cell is one test. A look at a follow-up is tried in the same ways, beside the six."""

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
    @pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
    def test_a_fault_leaves_only_one_thing_to_say(self, operation: Operation, fault: Fault) -> None:
        self._cell(operation, fault)

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
    @pytest.mark.parametrize("operation", FOLLOW_UP_LOOKUPS, ids=lambda o: o.name)
    def test_a_fault_makes_a_look_at_a_follow_up_say_nothing(self, operation: Operation, fault: Fault) -> None:
        self._cell(operation, fault)

    def _cell(self, operation: Operation, fault: Fault) -> None:
        self.need(operation)
        if fault.name == "messages":
            self._with_messages(operation, fault)
            return
        about = self.money
        if fault.make is None:
            about = self._another(operation, fault.name)
        good = self.replayed(operation)
        heard = self.perform(operation, faulty(fault, good), None if operation.is_read else about)
        self._only(operation, fault, heard, judge(operation, heard, about))
        assert len(heard.writes) <= 1, f"{fault.story}: it wrote {len(heard.writes)} times; repeating is the host's"
        assert "elsewhere.example" not in {request.url.host for request in heard.sent}, "it followed a redirect"

    def _only(self, operation: Operation, fault: Fault, heard: Heard, verdict: Verdict) -> None:
        allowed = frozenset({"unknown"}) if operation.is_read and fault.name != "messages" else fault.allowed
        assert verdict in allowed, (
            f"{operation.name}: {fault.story}. That is {' or '.join(sorted(allowed))}, and it was told as {verdict}: "
            f"{heard.said()}. {'A failed look says nothing: raise.' if operation.is_read else fault.advice}"
        )

    def _with_messages(self, operation: Operation, fault: Fault) -> None:
        self.need_claim("webhooks")
        message = self.message("refund" if asked_of(operation) == "refund" else "payment") or self.message("payment")
        if message is None:
            owed("message(self, about): return one about a payment")
        connector, provider = self.built(operation.scenario)
        early, again = list(connector.parse_webhook(message)), list(connector.parse_webhook(message))
        request, call = self._call(connector, operation, None, KEY)
        provider.sent.clear()
        heard = Heard(request, sent=provider.sent)
        heard.listen(call)
        late = list(connector.parse_webhook(message))
        assert early == again == late, f"{operation.name}: {fault.story}. {fault.advice}"
        fresh_start = self.perform(operation)
        self._only(operation, fault, heard, judge(operation, heard, self.money))
        assert heard.returned == fresh_start.returned, f"{operation.name}: {fault.story}. {fault.advice}"

    def _another(self, operation: Operation, what: str) -> Money:
        if not counts_money(self, operation):
            pytest.skip("its answer names no amount")
        if judge(operation, self.perform(operation), self.money) == "pending":
            pytest.skip("its answer promises nothing yet")
        if what == "wrong_amount":
            return Money(self.money.amount + 1, self.money.currency)
        other = next((m.currency for m in self.amounts if m.currency != self.money.currency), None)
        if other is None:
            pytest.skip("it takes one currency")
        return Money(self.money.amount, other)
