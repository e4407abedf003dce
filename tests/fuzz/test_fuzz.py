"""Every operation keeps its word against anything, and against any order of operations.

`PENSTOCK_FUZZ_EXAMPLES` says how many examples an operation gets (25 here; 100 is the long run). The same number sends
the same requests again.
"""

import os
from collections import Counter

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode

from handlers import spec
from tests.fuzz.ground import Ground, is_for_people
from tests.shops import open_shop

EXAMPLES = int(os.environ.get("PENSTOCK_FUZZ_EXAMPLES", "25"))
SEEN: dict[str, Counter[int]] = {}

# What a well-formed request may still be told: the rules' own refusals. Schema errors are not among them.
REFUSALS = [400, 401, 402, 403, 404, 409, 410, 412, 422, 429]


@pytest.fixture(scope="module")
def api_schema(fuzzed_shop):
    shop = fuzzed_shop
    config = schemathesis.Config.from_dict(
        {
            "seed": 1,
            "generation": {"mode": "all", "max-examples": EXAMPLES, "deterministic": True, "database": "none"},
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", *map(str, REFUSALS)]}},
            "auth": {
                "openapi": {"apiKey": {"api_key": shop.secret_key}, "dashboard": {"bearer": shop.dashboard_token}}
            },
        }
    )
    schema = schemathesis.openapi.from_dict(orjson.loads(spec.as_json()), config=config)
    schema.app = shop.app
    schema.config.update(base_url="http://testserver/api/v1")
    return schema


@pytest.fixture(scope="module")
def ground(fuzzed_shop):
    return Ground(fuzzed_shop)


lazy = schemathesis.pytest.from_fixture("api_schema")


@lazy.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),  # requests make rows, which Hypothesis counts as slow data
)
def test_every_operation_keeps_its_word(case, ground):
    ground.prepare(case)
    response = case.call_and_validate()
    operation = case.operation.definition.raw["operationId"]
    SEEN.setdefault(operation, Counter())[response.status_code] += 1


def test_every_operation_was_seen_to_succeed():
    if not SEEN:
        pytest.skip("the fuzz test above was not selected")
    operations = {
        item[method]["operationId"]
        for item in spec.load()["paths"].values()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert operations - {name for name, seen in SEEN.items() if any(200 <= status < 300 for status in seen)} == set()
    assert not [name for name, seen in SEEN.items() if any(status >= 500 for status in seen)]


def test_operations_in_any_order_keep_their_word(api_schema, fuzzed_shop):
    machine = story_of(api_schema, fuzzed_shop)
    machine.run(
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),  # the same reason as above
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # a story that failed is told whole; shrinking would ask a shop that has changed
        )
    )
    assert machine.succeeded > EXAMPLES, "most stories found nothing to speak of"


def is_negative(case, component):
    """Tell whether a case is meant to be refused for this part of it."""
    found = {location.value: part.mode for location, part in case.meta.components.items()} if case.meta else {}
    return any(mode is GenerationMode.NEGATIVE for name, mode in found.items() if name.startswith(component[:6]))


def story_of(api_schema, fuzzed_shop):
    """Return a state machine that tells each story in a new shop: nothing of one may change how another goes."""

    class Story(api_schema.as_state_machine()):
        succeeded = 0

        def setup(self):
            self.shop = open_shop(fuzzed_shop.house, fuzzed_shop.client)

        def get_call_kwargs(self, case):
            if is_negative(case, "headers"):  # the missing key is what the case is about
                return {}
            place = {
                "X-Application-Id": self.shop.application_id,
                "X-Throttle-Environment-Id": self.shop.environment_id,
            }
            if is_for_people(case):
                return {"headers": {"Authorization": f"Bearer {self.shop.dashboard_token}", **place}}
            return {"headers": {"X-API-Key": self.shop.secret_key}}

        def before_call(self, case):
            if isinstance(case.body, dict) and "applicationId" in case.body:
                case.body["applicationId"] = self.shop.application_id
            if isinstance(case.body, dict) and case.body.get("paymentMethod") == "card":
                case.body["paymentToken"] = "tok_sandbox_approve"

        def after_call(self, response, case):
            type(self).succeeded += 200 <= response.status_code < 300

    return Story
