"""Can a plugin, however broken, take more than its own? Finding, building, classifying, fencing in."""

import threading
import time
from importlib.metadata import EntryPoint

import httpx
import pytest

from connectors import http
from penstock.boundary import CalledInsideTransaction, transaction
from penstock.clock import SystemClock
from penstock.connector import Capabilities, NotSent, PaymentConnector, PaymentMethod
from penstock.hooks import hookimpl
from penstock.money import Money
from penstock.outcome import Approved, Declined, Pending, ProxyTransaction, Rejected
from penstock.request import ChargeRequest
from plugins import manager
from plugins.cascade import Cascade, Connection, ProviderSilent
from plugins.manager import BrokenPlugin, load
from plugins.registry import Registry, UnusableConnection

EUR = Money(1000, "EUR")
SECRET = "sk_live_VERYSECRET42"


class Scripted(PaymentConnector):
    """Does what its settings' caller put into `script`, a function of the connector and the request."""

    name = "scripted"
    display_name = "Scripted"
    capabilities = Capabilities(frozenset({"EUR", "JPY"}), frozenset({"card"}), proxy=True)
    settings_schema = {  # noqa: RUF012  as a stranger writes it
        "type": "object",
        "required": ["api_key"],
        "properties": {"api_key": {"type": "string", "pattern": "^sk_"}},
    }
    script = staticmethod(lambda connector, asked: Approved("ref_1", EUR))

    def charge(self, request):
        return self.script(self, request)

    def find(self, key):
        return self.script(self, key)

    def read_transaction(self, ref):
        return self.script(self, ref)


class Neighbour(Scripted):
    name = "neighbour"
    script = staticmethod(lambda connector, asked: Approved("ref_2", EUR))


class Offering:
    """A plugin that offers the classes it is given."""

    def __init__(self, *classes):
        self.classes = classes

    @hookimpl
    def penstock_payment_connectors(self):
        return self.classes


def house(script=None, *classes, **options):
    """Build a cascade over one scripted connector, and the candidate to ask."""
    cls = type("Scripted", (Scripted,), {"script": staticmethod(script)}) if script else Scripted
    registry = Registry(load((Offering(cls, Neighbour, *classes),), entry_points=False), clock=SystemClock())
    cascade = Cascade(registry, **{"deadline": 2, **options})
    return cascade, cascade.candidate(account())


def account(connector="scripted", **changes):
    return Connection(**{"id": connector, "connector": connector, "settings": {"api_key": SECRET}, **changes})


def charge(**changes):
    return ChargeRequest(**{"key": "att_1", "money": EUR, "method": "card", "method_token": "tok_BUYER99", **changes})


def verdict(script, **options):
    cascade, candidate = house(script, **options)
    return cascade.call(candidate, charge())


def raising(exc):
    def script(connector, asked):
        raise exc

    return script


def answering(value):
    return lambda connector, asked: value


def through_http(handler, calls=1):
    """Charge through the client that the host lends, against a transport of ours."""

    def script(connector, asked):
        client = http.client(timeout=1, transport=httpx.MockTransport(handler))
        for _ in range(calls):
            answer = client.post("https://provider.example/charges", json={})
        return Approved(answer.json()["ref"], EUR)

    return script


@pytest.mark.parametrize(
    ("outcome", "state", "elsewhere"),
    [
        (Approved("r", EUR), "approved", False),
        (Approved("r", EUR, EUR), "approved", False),
        (Pending("r"), "pending", False),
        (Pending("r", "https://bank.example/3ds"), "pending", False),
        (Declined("soft"), "declined", True),
        (Declined("insufficient_funds", "NSF"), "declined", False),
        (Declined("hard"), "declined", False),
        (Rejected("rate_limited"), "rejected", True),
    ],
)
def test_an_outcome_is_passed_on(outcome, state, elsewhere):
    told = verdict(answering(outcome))
    assert (told.state, told.outcome, told.error, told.may_go_elsewhere) == (state, outcome, "", elsewhere)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        "approved",
        {"status": "approved"},
        Approved("", EUR),
        Approved("x" * 300, EUR),
        Approved("a\nb", EUR),
        Approved(None, EUR),
        Approved("r", Money(999, "EUR")),
        Approved("r", Money(1001, "EUR")),
        Approved("r", Money(1000, "USD")),
        Approved("r", 1000),
        Approved("r", EUR, Money(1, "EUR")),
        Approved("r", Money(0, "EUR"), EUR),
        Pending(""),
        Pending("r", "javascript:alert(1)"),
        Pending("r", 7),
        Declined("broke"),
        Declined("soft", 51),
        Declined(["soft"]),
        Rejected("nope"),
    ],
    ids=repr,
)
def test_an_answer_that_breaks_the_contract_is_unknown(answer):
    told = verdict(answering(answer))
    assert told.state == "unknown"
    assert told.error.startswith("broken promise")
    assert not told.may_go_elsewhere


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "exc",
    [
        Exception("bare"),
        BaseException("barest"),
        KeyboardInterrupt(),
        SystemExit(3),
        GeneratorExit(),
        MemoryError(),
        RecursionError(),
        NotImplementedError(),
        Unprintable(),
        httpx.ReadTimeout("silence"),
        httpx.RemoteProtocolError("gone"),
    ],
    ids=lambda exc: type(exc).__name__,
)
def test_whatever_else_is_raised_is_unknown(exc):
    told = verdict(raising(exc))
    assert told.state == "unknown"
    assert type(exc).__name__ in told.error
    assert not told.may_go_elsewhere


@pytest.mark.parametrize("exc", [NotSent("breaker"), httpx.ConnectError("refused"), httpx.ConnectTimeout("late")])
def test_a_proof_that_nothing_was_sent_lets_the_cascade_go_on(exc):
    told = verdict(raising(exc))
    assert told.state == "not_sent"
    assert told.may_go_elsewhere


def test_a_refused_connection_is_not_sent():
    def script(connector, asked):
        http.client(timeout=1).post("http://127.0.0.1:1/charges")

    assert verdict(script).state == "not_sent"


def test_a_name_that_does_not_resolve_is_not_sent():
    def script(connector, asked):
        http.client(timeout=1).post("http://no-such-host.invalid/charges")

    assert verdict(script).state == "not_sent"


def test_silence_after_the_connection_is_unknown(silent_server):
    def script(connector, asked):
        http.client(timeout=0.2).post(silent_server)

    told = verdict(script)
    assert told.state == "unknown"
    assert "ReadTimeout" in told.error


@pytest.fixture
def silent_server():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)  # the kernel takes the connection; nobody ever answers
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/charges"


def test_a_second_request_that_cannot_connect_proves_nothing():
    answers = iter([httpx.Response(200, json={"ref": "r"})])

    def handler(request):
        try:
            return next(answers)
        except StopIteration:
            raise httpx.ConnectError("refused", request=request) from None

    assert verdict(through_http(handler, calls=1)).state == "approved"
    answers = iter([httpx.Response(200, json={"ref": "r"})])
    assert verdict(through_http(handler, calls=2)).state == "unknown"


def test_what_was_sent_before_a_charge_does_not_spoil_its_proof():
    def refused(request):
        raise httpx.ConnectError("refused", request=request)

    http.begin_call()
    http.client(transport=httpx.MockTransport(lambda request: httpx.Response(200))).post("https://other.example/")
    assert verdict(through_http(refused)).state == "not_sent"


def test_an_answer_without_end_is_unknown():
    def handler(request):
        return httpx.Response(200, content=(b"x" * 65536 for _ in range(10_000)))

    told = verdict(through_http(handler))
    assert told.state == "unknown"
    assert "larger than" in told.error


def test_an_answer_that_drips_is_cut_off():
    def drip():
        for _ in range(100):
            time.sleep(0.05)
            yield b" "

    told = verdict(through_http(lambda request: httpx.Response(200, content=drip())), deadline=5)
    assert told.state == "unknown"
    assert "dripped" in told.error


def test_a_compressed_answer_is_not_unpacked():
    told = verdict(through_http(lambda request: httpx.Response(200, headers={"content-encoding": "gzip"}, content=b"")))
    assert told.state == "unknown"


def test_a_redirect_is_not_followed_even_if_the_connector_asks():
    seen = []

    def handler(request):
        seen.append(request.url.host)
        return httpx.Response(307, headers={"location": "https://elsewhere.example/"})

    client = http.client(transport=httpx.MockTransport(handler))
    assert client.post("https://provider.example/", follow_redirects=True).status_code == 307
    assert seen == ["provider.example"]


def test_the_client_keeps_no_cookies_and_reads_no_proxy_from_the_machine(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    seen = []

    def handler(request):
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, headers={"set-cookie": "a=b"})

    client = http.client(transport=httpx.MockTransport(handler))
    client.get("https://provider.example/")
    client.get("https://provider.example/")
    assert seen == [None, None]


def test_a_connector_that_hangs_is_unknown_and_does_not_hold_the_caller():
    release = threading.Event()
    started = time.monotonic()
    told = verdict(lambda connector, asked: release.wait(30), deadline=0.2)
    assert told.state == "unknown"
    assert "0.2 seconds" in told.error
    assert time.monotonic() - started < 5
    release.set()


def test_a_connector_that_hangs_takes_only_its_own_places():
    release = threading.Event()
    cascade, stuck = house(lambda connector, asked: release.wait(30), deadline=0.05, places=2)
    well = cascade.candidate(account("neighbour"))
    assert [cascade.call(stuck, charge()).state for _ in range(4)] == ["unknown", "unknown", "not_sent", "not_sent"]
    assert cascade.call(well, charge()).state == "approved"
    release.set()
    for _ in range(100):
        if cascade.call(stuck, charge()).state != "not_sent":
            break
        time.sleep(0.02)
    else:
        pytest.fail("the places were never given back")


def test_no_provider_is_called_while_a_transaction_is_open():
    called = []
    cascade, candidate = house(lambda connector, asked: called.append(asked))
    with transaction():
        with pytest.raises(CalledInsideTransaction):
            cascade.call(candidate, charge())
        with pytest.raises(CalledInsideTransaction):
            cascade.find(candidate, "att_1")
        with pytest.raises(CalledInsideTransaction):
            http.client(transport=httpx.MockTransport(called.append)).get("https://provider.example/")
    assert called == []


def test_an_error_text_holds_no_secret():
    text = f"POST https://p.example/x?sig=abc failed with {SECRET} for tok_BUYER99, card 4242424242424242"
    told = verdict(raising(ValueError(text)))
    for secret in (SECRET, "tok_BUYER99", "sig=abc", "4242424242424242"):
        assert secret not in told.error
    assert len(verdict(raising(ValueError("x" * 10_000))).error) <= 300


def test_find_tells_what_the_provider_has():
    cascade, candidate = house(answering(Approved("r", EUR)))
    assert cascade.find(candidate, "att_1", money=EUR).state == "approved"
    assert cascade.find(candidate, "att_1").state == "approved"
    cascade, candidate = house(answering(None))
    assert cascade.find(candidate, "att_1") is None


def test_find_of_another_amount_is_unknown():
    cascade, candidate = house(answering(Approved("r", Money(999, "EUR"))))
    assert cascade.find(candidate, "att_1", money=EUR).state == "unknown"


@pytest.mark.parametrize("exc", [NotSent("refused"), httpx.ConnectError("refused"), ValueError("500"), SystemExit()])
def test_a_lookup_that_fails_says_nothing_about_the_charge(exc):
    cascade, candidate = house(raising(exc))
    assert cascade.find(candidate, "att_1").state == "unknown"


def test_a_widgets_payment_is_read_or_the_provider_is_silent():
    paid = ProxyTransaction("txn_1", "cs_1", EUR, "captured")
    cascade, candidate = house(answering(paid))
    assert cascade.read_transaction(candidate, "txn_1") == paid
    with pytest.raises(ProviderSilent):
        cascade.read_transaction(candidate, "txn_2")
    cascade, candidate = house(raising(ValueError(SECRET)))
    with pytest.raises(ProviderSilent) as caught:
        cascade.read_transaction(candidate, "txn_1")
    assert SECRET not in str(caught.value)


def test_candidates_are_the_able_ones_in_the_applications_order():
    cascade, _ = house()
    accounts = [
        account("neighbour"),
        account("scripted", id="off", is_active=False),
        account("scripted", id="broken", settings={}),
        account("gone"),
        account("sandbox", id="box", settings={}),
        account("scripted"),
    ]
    asked = charge()
    assert [c.connection_id for c in cascade.candidates(accounts, asked)] == ["neighbour", "box", "scripted"]
    assert [c.connection_id for c in cascade.candidates(accounts, charge(money=Money(1, "USD")))] == ["box"]
    assert cascade.candidates(accounts, charge(method="sepa")) == []
    assert [c.connection_id for c in cascade.candidates(accounts, charge(capture="manual"))] == ["box"]


def test_a_connection_that_was_switched_off_can_still_be_asked_about_its_attempts():
    cascade, _ = house()
    assert cascade.candidate(account(is_active=False)) is not None
    assert cascade.candidate(account("gone")) is None


def test_what_is_offered_is_what_was_claimed():
    class Boaster(Scripted):
        name = "boaster"

        def payment_methods(self):
            return [PaymentMethod("card", "Card"), PaymentMethod("gold", "Gold"), "card", PaymentMethod("card", None)]

    class Breaker(Scripted):
        name = "breaker"

        def payment_methods(self):
            raise SystemExit

    cascade, _ = house(None, Boaster, Breaker)
    accounts = [account("breaker"), account("boaster"), account()]
    offers = cascade.offers(accounts, currency="EUR")
    assert [(o.connection_id, o.method) for o in offers] == [("boaster", "card"), ("scripted", "card")]
    assert cascade.offers(accounts, currency="USD") == []


def test_a_sandbox_is_never_built_for_production():
    registry = Registry(load(entry_points=False), clock=SystemClock())
    with pytest.raises(UnusableConnection, match="production"):
        registry.build(Connection("1", "sandbox", {}, "production"))


def test_settings_are_checked_and_never_repeated():
    registry = Registry(load((Offering(Scripted),), entry_points=False), clock=SystemClock())
    with pytest.raises(UnusableConnection) as caught:
        registry.build(account(settings={"api_key": "wrong_SECRET"}))
    assert "/api_key" in str(caught.value)
    assert "wrong_SECRET" not in str(caught.value)
    assert [f.pointer for f in registry.settings_faults("scripted", {})] == ["/api_key"]
    with pytest.raises(UnusableConnection):
        registry.settings_faults("nobody", {})


def test_an_object_is_kept_until_its_connection_changes():
    registry = Registry(load((Offering(Scripted),), entry_points=False), clock=SystemClock())
    first = registry.build(account())
    assert registry.build(account()) is first
    assert registry.build(account(settings={"api_key": "sk_other"})) is not first
    registry.close()


class Lacking(PaymentConnector):
    name = "lacking"
    display_name = "Lacking"
    capabilities = Capabilities(None, frozenset({"card"}))
    settings_schema = {"type": "object"}  # noqa: RUF012  as a stranger writes it

    def charge(self, request):
        return Approved("r", request.money)


@pytest.mark.parametrize(
    ("offered", "why"),
    [
        (object, "not a subclass"),
        ("scripted", "not a subclass"),
        (Lacking, "find"),
        (type("A", (Scripted,), {"name": "Not Good"}), "lower case"),
        (type("B", (Scripted,), {"name": "b", "capabilities": None}), "capabilities"),
        (type("C", (Scripted,), {"name": "c", "settings_schema": {"type": 7}}), "JSON Schema"),
        (
            type("D", (Scripted,), {"name": "d", "capabilities": Capabilities(None, frozenset({"card"}))}),
            "does not claim",
        ),
        (type("E", (Scripted,), {}), "both offer"),
    ],
)
def test_a_connector_that_cannot_be_what_it_says_stops_the_start(offered, why):
    pm = load((Offering(Scripted, offered),), entry_points=False)
    with pytest.raises(BrokenPlugin, match=why):
        Registry(pm, clock=SystemClock())


def test_a_misspelt_hook_stops_the_start():
    class Misspelt:
        @hookimpl
        def penstock_payment_conectors(self):
            return []

    with pytest.raises(BrokenPlugin, match="penstock_payment_conectors"):
        load((Misspelt(),), entry_points=False)


def test_an_argument_that_a_hook_never_had_stops_the_start():
    class Curious:
        @hookimpl
        def penstock_rank(self, request, database):
            return {}

    with pytest.raises(BrokenPlugin, match="database"):
        load((Curious(),), entry_points=False)


def install(monkeypatch, *entries):
    """Pretend that distributions with these entry points are installed: (distribution, name, module)."""

    class Dist:
        def __init__(self, name, entry):
            self.metadata, self.version, self.entry_points = {"Name": name}, "1.0", [entry]

    found = [Dist(dist, EntryPoint(name, module, manager.GROUP)) for dist, name, module in entries]
    monkeypatch.setattr(manager, "distributions", lambda: found)


def test_two_packages_that_install_one_name_stop_the_start(monkeypatch):
    install(monkeypatch, ("penstock-acme", "acme", "json"), ("penstock-acme-two", "acme", "string"))
    with pytest.raises(BrokenPlugin, match="penstock-acme and penstock-acme-two"):
        load()


def test_one_package_seen_twice_on_the_path_is_one(monkeypatch):
    install(monkeypatch, ("penstock_acme", "acme", "json"), ("Penstock-Acme", "acme", "json"))
    assert load().has_plugin("json")


def test_a_plugin_that_does_not_import_is_named(monkeypatch):
    install(monkeypatch, ("penstock-acme", "acme", "no_such_module_of_acme"))
    with pytest.raises(BrokenPlugin, match=r"penstock-acme 1\.0 cannot be imported"):
        load()


def test_the_trace_shows_calls_and_no_secrets(monkeypatch, capsys):
    monkeypatch.setenv("PENSTOCK_TRACE_PLUGINS", "1")

    class Ranker:
        @hookimpl
        def penstock_rank(self, candidates):
            return {"scripted": 1}

    pm = load((Ranker(),), entry_points=False)
    pm.hook.penstock_rank(request=charge(reference="sk_live_abcdef123"), candidates=("scripted",))
    shown = capsys.readouterr().err
    assert "penstock_rank" in shown
    assert "scripted" in shown
    assert "tok_BUYER99" not in shown
    assert "abcdef123" not in shown


def test_doctor_lists_plugins_and_what_gets_in_their_way(tmp_path):
    from plugins.doctor import clashes, report

    told = report("9.9", extra=(Offering(Scripted),))
    assert {"sandbox", "sandbox_b", "scripted"} <= {row.name for row in told.connectors}
    assert [row.version for row in told.plugins if row.name == "connectors.payments.sandbox"] == ["9.9"]
    (tmp_path / "storage").mkdir()
    (tmp_path / "handlers.py").touch()
    assert len(clashes(places=[str(tmp_path)])) == 2
    assert "cannot be what" not in str(told.faults)
    broken = report("9.9", extra=(Offering(object),))
    assert "not a subclass" in broken.faults[-1]
