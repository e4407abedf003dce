"""When is a provider left alone, and when is it asked again?"""

import pytest

from penstock.ids import new_id
from penstock.outcome import Declined, Rejected
from penstock.verdict import Candidate, Verdict
from plugins.health import Health
from tests import make

FAILURE, DECLINE = Verdict("unknown"), Verdict("declined", Declined("soft"))
SUCCESS = Verdict("approved")


class Time:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


class Counter:
    def __init__(self):
        self.calls, self.changes = [], []

    def count_call(self, *what):
        self.calls.append(what)

    def count_change(self, *what):
        self.changes.append(what)


class Shared:
    """A board in this process, for two healths that play two processes."""

    def __init__(self):
        self.counts, self.opened, self.incidents = {}, {}, {}

    def exchange(self, counted, known):
        for key, (calls, failures) in counted.items():
            old = self.counts.get(key, (0, 0))
            self.counts[key] = (old[0] + calls, old[1] + failures)
        return {key: self.counts.get(key, (0, 0)) for key in known}

    def open(self, key, incident_id):
        self.opened[key] = 120.0
        return self.incidents.setdefault(key, incident_id) == incident_id

    def open_seconds(self, known):
        return {key: self.opened[key] for key in known if key in self.opened}

    def close(self, key):
        self.opened.pop(key, None)
        self.counts.pop(key, None)
        return self.incidents.pop(key, None)


@pytest.fixture
def time():
    return Time()


A, B = new_id(), new_id()


def one(connection=A):
    return Candidate(connection, "acme", None, make.SCOPE)


def heard(health, verdict, times, who=None):
    for _ in range(times):
        health.note(who or one(), "charge", verdict)


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict("declined", Declined("soft")),
        Verdict("declined", Declined("hard")),
        Verdict("approved"),
        Verdict("pending"),
        Verdict("rejected", Rejected("validation")),
        Verdict("rejected", Rejected("rate_limited")),
    ],
    ids=repr,
)
def test_an_answer_never_counts_against_a_provider(time, verdict):
    health = Health(now=time)
    heard(health, verdict, 500)
    assert health.admits(one(), "charge")


@pytest.mark.parametrize(
    "verdict", [Verdict("unknown"), Verdict("not_sent"), Verdict("rejected", Rejected("configuration"))], ids=repr
)
def test_twenty_technical_failures_open_the_breaker_and_nineteen_do_not(time, verdict):
    health = Health(now=time)
    heard(health, verdict, 19)
    assert health.admits(one(), "charge")
    heard(health, verdict, 1)
    assert not health.admits(one(), "charge")
    assert health.state_of(A) == "open"


def test_twenty_failures_that_are_few_among_many_do_not_open_it(time):
    health = Health(now=time)
    heard(health, SUCCESS, 100)
    heard(health, FAILURE, 53)
    assert health.admits(one(), "charge"), "53 of 153 are less than 35 %"
    heard(health, FAILURE, 1)
    assert not health.admits(one(), "charge"), "54 of 154 are more"


def test_failures_older_than_five_minutes_are_forgotten(time):
    health = Health(now=time)
    heard(health, FAILURE, 19)
    time.now += 331
    heard(health, FAILURE, 19)
    assert health.admits(one(), "charge")


def test_one_connection_s_failures_and_one_operation_s_are_its_own(time):
    health = Health(now=time)
    heard(health, FAILURE, 20)
    assert health.admits(one(B), "charge")
    assert health.admits(one(), "refund")


def test_after_two_minutes_twenty_trials_are_let_through_and_close_it(time):
    health = Health(now=time)
    heard(health, FAILURE, 20)
    time.now += 119
    assert not health.admits(one(), "charge")
    time.now += 1
    assert [health.admits(one(), "charge") for _ in range(21)] == [True] * 20 + [False]
    heard(health, FAILURE, 6)
    heard(health, SUCCESS, 14)
    assert health.state_of(A) == "closed"
    heard(health, FAILURE, 19)
    assert health.admits(one(), "charge"), "what was before the recovery is forgotten"


def test_seven_failed_trials_open_it_again_at_once(time):
    health = Health(now=time)
    heard(health, FAILURE, 20)
    time.now += 120
    for _ in range(7):
        assert health.admits(one(), "charge")
        heard(health, FAILURE, 1)
    assert not health.admits(one(), "charge")


def test_trials_that_never_come_back_do_not_shut_a_provider_out_for_good(time):
    health = Health(now=time)
    heard(health, FAILURE, 20)
    time.now += 120
    for _ in range(20):
        health.admits(one(), "charge")
    assert not health.admits(one(), "charge")
    time.now += 120
    assert health.admits(one(), "charge")


def test_a_dry_run_lets_everything_through_and_announces_nothing(time):
    told, counter = [], Counter()
    health = Health(now=time, is_dry_run=True, announce=told.append)
    health.watch(counter)
    heard(health, FAILURE, 25)
    assert health.admits(one(), "charge")
    health.share()
    assert (told, counter.changes) == ([], [("acme", "charge", "degraded")])
    health.close()


def test_an_incident_has_a_beginning_and_an_end_under_one_id(time):
    told = []
    health = Health(now=time, announce=lambda incident: told.append((incident.id, incident.take_drafts())))
    who = one(new_id())
    heard(health, FAILURE, 20, who)
    time.now += 120
    for _ in range(20):
        health.admits(who, "charge")
    heard(health, SUCCESS, 20, who)
    health.close()
    assert [draft.type for _, drafts in told for draft in drafts] == ["connector.degraded", "connector.recovered"]
    assert [draft.sequence for _, drafts in told for draft in drafts] == [1, 2]
    assert len({name for name, _ in told}) == 1


def test_calls_are_counted_for_the_operator(time):
    counter = Counter()
    health = Health(now=time)
    health.watch(counter)
    heard(health, DECLINE, 2)
    assert counter.calls == [("acme", "charge", "declined")] * 2


def test_two_processes_count_together_and_announce_once(time):
    board, told = Shared(), []
    first, second = (Health(now=time, board=board, announce=told.append) for _ in range(2))
    for _ in range(10):
        heard(first, FAILURE, 1)
        heard(second, FAILURE, 1)
    assert first.admits(one(), "charge"), "neither has seen twenty"
    first.share(), second.share(), first.share()
    heard(first, FAILURE, 1)
    heard(second, FAILURE, 1)
    first.share(), second.share()
    assert not first.admits(one(), "charge")
    assert not second.admits(one(), "charge")
    first.close(), second.close()
    assert len(told) == 1


@pytest.mark.services
def test_redis_keeps_counts_and_incidents(redis_url, time):
    from penstock.clock import SystemClock
    from plugins.health_board import RedisBoard

    key = (new_id(), "charge")
    first, second = RedisBoard(redis_url, SystemClock()), RedisBoard(redis_url, SystemClock())
    first.exchange({key: (10, 4)}, [key])
    assert second.exchange({key: (5, 5)}, [key]) == {key: (15, 9)}
    assert (first.open(key, "incident-1"), second.open(key, "incident-2")) == (True, False)
    assert 100 < second.open_seconds([key])[key] <= 120
    assert (second.close(key), first.close(key)) == ("incident-1", None)
    assert first.open_seconds([key]) == {}
    assert first.exchange({}, [key]) == {key: (0, 0)}


def refused():
    return Verdict("rejected", Rejected("configuration"))


def announced(told):
    return [draft.type for incident in told for draft in incident.take_drafts()]


def test_refused_credentials_are_told_of_at_once_and_once(time):
    told = []
    health = Health(now=time, announce=told.append)
    heard(health, refused(), 5)
    heard(health, FAILURE, 2)
    heard(health, refused(), 2)
    health.share()
    assert announced(told) == ["connector.refused"]


def test_credentials_that_were_taken_meanwhile_are_told_of_again(time):
    told = []
    health = Health(now=time, announce=told.append)
    for verdict in (refused(), DECLINE, refused()):
        heard(health, verdict, 1)
    health.share()
    assert announced(told) == ["connector.refused"] * 2
    assert len({incident.id for incident in told}) == 2


def test_of_two_processes_one_tells_of_refused_credentials(time):
    told, board = [], Shared()
    one_of, other = (Health(now=time, announce=told.append, board=board) for _ in range(2))
    for health in (one_of, other):
        heard(health, refused(), 1)
        health.share()
    assert announced(told) == ["connector.refused"]
    assert one_of.admits(one(), "charge"), "wrong credentials alone open no breaker"


def test_refused_credentials_are_told_of_in_a_dry_run_too(time):
    told = []
    health = Health(now=time, announce=told.append, is_dry_run=True)
    heard(health, refused(), 1)
    health.share()
    assert announced(told) == ["connector.refused"]
