"""The configuration of shipping and tax keeps its word."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock.ids import new_id
from tests.shop import made, pointers, refused

AT = "/shipping-tax/config"
METHOD = {"id": "std", "name": "Standard", "type": "flat", "amount": 500, "currency": "USD"}
CONFIG = {
    "shipping": {
        "mode": "builtin",
        "zones": [{"id": "us", "name": "United States", "countries": ["US"], "methods": [METHOD]}],
    },
    "tax": {
        "mode": "builtin",
        "rates": [{"id": "ny", "country": "US", "state": "NY", "taxType": "sales", "name": "Tax", "rateBps": 400}],
    },
}


def read(shop, **kw):
    return shop.get(f"{AT}?applicationId={shop.application_id}", **kw)


def publish(shop, config=CONFIG):
    made(shop.put(f"{AT}/draft", config))
    return made(shop.post(f"{AT}/publish"))


def zoned(**method):
    zone = {"id": "us", "name": "United States", "countries": ["US"], "methods": [{**METHOD, **method}]}
    return {**CONFIG, "shipping": {"mode": "builtin", "zones": [zone]}}


def test_there_is_no_configuration_at_first(shop):
    answer = read(shop)
    assert made(answer) == {"draft": None, "published": None}
    assert answer.headers["etag"] == '"v0"'


def test_the_application_has_to_be_named_and_to_be_the_key_s_own(shop, other_shop):
    error = refused(shop.get(AT), 400, "missing_application_id")
    assert "applicationId" in error["message"]
    for id_ in (other_shop.application_id, new_id()):
        refused(shop.get(f"{AT}?applicationId={id_}"), 404, "store_not_found")
    refused(shop.get(f"{AT}?applicationId=no"), 400, "invalid_request")


def test_a_draft_changes_nothing_that_is_published(shop):
    first = publish(shop)
    draft = made(shop.put(f"{AT}/draft", zoned(amount=900)))
    both = made(read(shop))
    assert both["draft"] == draft
    assert both["published"] == first
    assert draft["basedOn"] == first["version"] == 1
    assert draft["tax"]["pricesIncludeTax"] is False, "defaults are written out"


def test_publishing_lets_the_draft_stand_and_takes_it_away(shop):
    publish(shop)
    second = publish(shop, zoned(amount=900))
    both = made(read(shop))
    assert both["draft"] is None
    assert both["published"] == second
    assert second["version"] == 2
    assert second["shipping"]["zones"][0]["methods"][0]["amount"] == 900


def test_what_is_wrong_is_told_and_cannot_be_published(shop):
    wrong = zoned(type="weight")
    made(shop.put(f"{AT}/draft", wrong))
    check = made(shop.post(f"{AT}/validate"))
    assert not check["isValid"]
    told = [fault["pointer"] for fault in check["faults"]]
    assert told == pointers(refused(shop.post(f"{AT}/publish"), 422, "validation_error"))
    assert "/shipping/zones/0/methods/0/tiers" in told
    assert made(read(shop))["published"] is None


def test_any_configuration_can_be_checked_without_keeping_it(shop):
    assert made(shop.post(f"{AT}/validate", {"config": CONFIG})) == {"isValid": True, "faults": []}
    assert made(read(shop)) == {"draft": None, "published": None}


def test_without_a_draft_there_is_nothing_to_check_publish_or_discard(shop):
    for answer in (shop.post(f"{AT}/validate"), shop.post(f"{AT}/publish"), shop.delete(f"{AT}/draft")):
        refused(answer, 409, "config_draft_missing")


def test_a_discarded_draft_is_gone(shop):
    published = publish(shop)
    made(shop.put(f"{AT}/draft", zoned(amount=1)))
    assert made(shop.delete(f"{AT}/draft")) == {"discarded": True}
    assert made(read(shop)) == {"draft": None, "published": published}


def test_every_version_stays_readable_and_an_earlier_one_can_stand_again(shop):
    first, second = publish(shop), publish(shop, zoned(amount=900))
    draft = made(shop.put(f"{AT}/draft", zoned(amount=7)))
    third = made(shop.post(f"{AT}/history/{first['id']}/restore"))
    assert (third["version"], third["restoredFrom"]) == (3, 1)
    assert third["shipping"] == first["shipping"]
    both = made(read(shop))
    assert both["published"] == third
    assert {**both["draft"], "basedOn": draft["basedOn"]} == draft
    page = made(shop.get(f"{AT}/history?limit=2"))
    assert [each["version"] for each in page["data"]] == [3, 2]
    rest = made(shop.get(f"{AT}/history?limit=2&cursor={page['meta']['pagination']['cursor']}"))
    assert [each["version"] for each in rest["data"]] == [1]
    assert made(shop.get(f"{AT}/history/{second['id']}")) == second
    refused(shop.get(f"{AT}/history/{new_id()}"), 404, "not_found")
    refused(shop.post(f"{AT}/history/{new_id()}/restore"), 404, "not_found")


def test_a_change_that_was_made_from_something_older_is_refused(shop):
    tag = read(shop).headers["etag"]
    saved = shop.put(f"{AT}/draft", CONFIG, headers={"If-Match": tag})
    assert saved.headers["etag"] == read(shop).headers["etag"] != tag
    for method, path, body in (
        ("PUT", "/draft", CONFIG),
        ("DELETE", "/draft", None),
        ("POST", "/publish", None),
    ):
        error = refused(shop.ask(method, AT + path, body, headers={"If-Match": tag}), 412, "precondition_failed")
        assert error["details"]["etag"] == saved.headers["etag"]
    made(shop.post(f"{AT}/publish", headers={"If-Match": saved.headers["etag"]}))


def test_publishing_is_atomic_under_ten_at_once(shop):
    made(shop.put(f"{AT}/draft", CONFIG))
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: shop.post(f"{AT}/publish"), range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert [each["version"] for each in made(shop.get(f"{AT}/history"))["data"]] == [1]


def test_a_member_with_the_settings_permission_may_change_it(shop):
    made(shop.as_member("PUT", f"{AT}/draft", CONFIG))
    assert made(shop.as_member("POST", f"{AT}/publish"))["publishedBy"]
    at = f"{AT}?applicationId={shop.application_id}"
    assert made(shop.as_member("GET", at))["published"]["version"] == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"surprise": 1}, "/surprise"),
        ({"tax": {"mode": "sometimes"}}, "/tax/mode"),
        ({"shipping": {}}, "/shipping/mode"),
        ({"tax": {"mode": "off", "rates": [{}]}}, "/tax/rates/0/id"),
    ],
)
def test_a_draft_has_to_fit_its_schema(shop, change, pointer):
    assert pointer in pointers(refused(shop.put(f"{AT}/draft", {**CONFIG, **change}), 422, "validation_error"))


def test_another_environment_has_a_configuration_of_its_own(shop, sibling_shop):
    publish(shop)
    sibling = sibling_shop("environment")
    assert made(read(sibling)) == {"draft": None, "published": None}
