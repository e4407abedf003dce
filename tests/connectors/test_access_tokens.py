"""The keeper of access tokens: expiry, a token taken back, threads at the same moment, and providers that give none."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from connectors.access_tokens import SPARE, AccessTokens, NoToken
from penstock.clock import StandingClock
from penstock.conformance import NOON
from penstock.plugin import BadCredentials, Context, NotSent

URL = "https://login.example/token"
SETTINGS = {"client_id": "client_7", "client_secret": "conformance_SECRET_42"}
HOUR = 3600


class Desk(httpx.BaseTransport):
    """Gives tokens t1, t2, … that are good for an hour, or one answer that is always the same."""

    def __init__(self, answer=None, lifetime=HOUR):
        self.answer, self.lifetime = answer, lifetime
        self.asked = []
        self.lock = threading.Lock()

    def handle_request(self, request):
        request.read()
        with self.lock:
            self.asked.append(request)
            number = len(self.asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or httpx.Response(200, json={"access_token": f"t{number}", "expires_in": self.lifetime})


def keeper(desk, **more):
    clock = StandingClock(NOON)
    return AccessTokens(Context(SETTINGS, httpx.Client(transport=desk), clock), "Desk", URL, **more), clock


def used(tokens, refuses=frozenset()):
    """The tokens with which a call was made, in order. A token in ``refuses`` is refused."""
    tried = []
    tokens.use(lambda token: tried.append(token) or token, lambda token: token in refuses)
    return tried


def test_a_token_is_fetched_once_with_the_accounts_own_credentials():
    desk = Desk()
    tokens, _ = keeper(desk, headers={"x-merchant": "m_1"})
    assert [used(tokens) for _ in range(3)] == [["t1"]] * 3
    [request] = desk.asked
    assert (request.method, str(request.url), request.content) == ("POST", URL, b"grant_type=client_credentials")
    assert httpx.BasicAuth(*SETTINGS.values())._auth_header == request.headers["authorization"]
    assert (request.headers["accept"], request.headers["x-merchant"]) == ("application/json", "m_1")


@pytest.mark.parametrize("lifetime", [HOUR, str(HOUR)])
def test_a_token_is_given_up_shortly_before_it_ends(lifetime):
    tokens, clock = keeper(Desk(lifetime=lifetime))
    used(tokens)
    clock.advance(timedelta(seconds=HOUR) - SPARE - timedelta(seconds=1))
    assert used(tokens) == ["t1"]
    clock.advance(timedelta(seconds=1))
    assert used(tokens) == ["t2"]


@pytest.mark.parametrize("lifetime", [0, 60, -5])
def test_a_token_that_is_over_at_once_is_used_once(lifetime):
    tokens, _ = keeper(Desk(lifetime=lifetime))
    assert [used(tokens), used(tokens)] == [["t1"], ["t2"]]


def test_a_token_is_believed_for_a_day_at_the_most():
    tokens, clock = keeper(Desk(lifetime=10**30))
    used(tokens)
    clock.advance(timedelta(days=1))
    assert used(tokens) == ["t2"]


def test_a_kept_token_that_was_taken_back_is_replaced_once():
    tokens, _ = keeper(Desk())
    used(tokens)
    assert used(tokens, refuses={"t1"}) == ["t1", "t2"]
    assert used(tokens, refuses={"t2", "t3"}) == ["t2", "t3"], "a second refusal is an answer"


def test_a_token_that_was_just_fetched_gets_no_second_try():
    desk = Desk()
    assert used(keeper(desk)[0], refuses={"t1"}) == ["t1"]
    assert len(desk.asked) == 1


def test_a_token_that_another_thread_fetched_meanwhile_is_used():
    desk = Desk()
    tokens, _ = keeper(desk)
    used(tokens)
    tried = []

    def call(token):
        tried.append(token)
        if token == "t1":
            tokens.log_in()  # what another thread does between this call and its refusal
        return token

    tokens.use(call, lambda token: token == "t1")
    assert (tried, len(desk.asked)) == (["t1", "t2"], 2)


def test_threads_that_meet_at_the_end_of_a_token_all_get_a_good_one():
    desk = Desk()
    tokens, clock = keeper(desk)
    used(tokens)
    clock.advance(timedelta(seconds=HOUR))
    gate = threading.Barrier(16)

    def late(_):
        gate.wait()
        return used(tokens)

    with ThreadPoolExecutor(16) as pool:
        tried = Counter(token for one in pool.map(late, range(16)) for token in one)
    assert sum(tried.values()) == 16
    assert "t1" not in tried
    assert len(desk.asked) <= 17, "nobody fetches twice"
    before = len(desk.asked)
    assert used(tokens)[0] in {f"t{n}" for n in range(2, before + 1)}
    assert len(desk.asked) == before, "one of them stays"


@pytest.mark.parametrize("status", [400, 401])
def test_refused_credentials_are_told_without_the_secret(status):
    tokens, _ = keeper(Desk(httpx.Response(status, json={"error": "invalid_client"})), refusals={400, 401})
    with pytest.raises(BadCredentials) as told:
        used(tokens)
    assert not any(value in str(told.value) for value in SETTINGS.values())


@pytest.mark.parametrize(
    "answer",
    [
        *(httpx.Response(status, json={}) for status in (302, 400, 429, 500, 503)),
        *(httpx.Response(200, text=text) for text in ("<html>", "", "[]", "null", "{}")),
        *(
            httpx.Response(200, json={"access_token": "t1", "expires_in": HOUR} | wrong)
            for wrong in (
                {"access_token": ""},
                {"access_token": 7},
                {"access_token": "t1\r\nx-more: 1"},
                {"access_token": "tök"},
                {"expires_in": None},
                {"expires_in": True},
                {"expires_in": "soon"},
            )
        ),
        httpx.ReadTimeout("silence"),
        httpx.ConnectError("refused"),
    ],
    ids=str,
)
def test_what_is_no_token_refuses_nobody_and_is_not_kept(answer):
    desk = Desk(answer)
    tokens, _ = keeper(desk)
    with pytest.raises(NoToken):
        used(tokens)
    desk.answer = None
    assert used(tokens) == ["t2"]


def test_a_log_in_that_was_not_sent_says_so():
    tokens, _ = keeper(Desk(NotSent("no route")))
    with pytest.raises(NotSent):
        used(tokens)


def test_what_goes_wrong_in_the_call_itself_is_not_taken_for_a_missing_token():
    tokens, _ = keeper(Desk())

    def call(_):
        raise ValueError("500")

    with pytest.raises(ValueError, match="500") as told:
        tokens.use(call, bool)
    assert not isinstance(told.value, NoToken)


def test_neither_secret_nor_token_is_in_a_repr():
    tokens, _ = keeper(Desk())
    assert used(tokens)[0] not in repr(tokens) + repr(tokens._kept)
    assert SETTINGS["client_secret"] not in repr(tokens)
