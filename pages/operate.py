"""The operators' page: what waits, what is late, and how deliveries go, for one application in one environment.

The one rule: a dashboard token opens it, kept in a cookie that no script can read and no other site can send.
"""

from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

from bootstrap import House
from pages.challenge import is_own
from pages.layout import render
from pages.response import redirect
from penstock.caller import Caller
from penstock.errors import ApiError, MissingApplicationId, MissingEnvironmentId
from penstock.ids import is_uuid
from penstock.web_page import Page, PageRequest, PageResponse

PLACE: Final = "/operate"
PERMISSION: Final = "application:webhooks"
COOKIE: Final = "penstock_dashboard"
SHOWN: Final = 50
LATE_SECONDS: Final = 60.0
_FIELDS: Final = ("token", "application", "environment")
_BETWEEN: Final = "~"
_TONES: Final = {"delivered": "read", "failed": "s5", "pending": "s4"}


def operate_pages(house: House) -> tuple[Page, Page, Page]:
    """Return the page, the one that signs a member in, and the one that signs it out."""

    def show(request: PageRequest) -> PageResponse:
        session = _session(request)
        if session is None:
            return _door()
        try:
            caller = house.identity.by_dashboard_token(*session)
        except ApiError:
            return _door("Your session is over, or this place is not yours. Sign in again.", status=401)
        if PERMISSION not in caller.permissions:
            return _door("Your role may not look at webhooks here.", status=403)
        return render("operate.html", _shown(house, caller, request.argument("endpoint")))

    def sign_in(request: PageRequest) -> PageResponse:
        return _signed_in(house, request)

    def sign_out(request: PageRequest) -> PageResponse:
        if not is_own(request):
            return _door("This came from another page.", status=403)
        return _sent(house, "", 0)

    return show, sign_in, sign_out


def _signed_in(house: House, request: PageRequest) -> PageResponse:
    if not is_own(request):
        return _door("This came from another page. Sign in here.", status=403)
    token, application, environment = [(request.form(each) or "").strip() for each in _FIELDS]
    try:
        house.identity.by_dashboard_token(token, application or None, environment or None)
    except (MissingApplicationId, MissingEnvironmentId):
        return _door("This token names no place: say which application and environment.", status=400)
    except ApiError:
        return _door("This is no token that is good now and there.", status=401)
    value = _BETWEEN.join((token, application, environment))
    return _sent(house, value, house.settings.dashboard_hours * 3600)


def _session(request: PageRequest) -> tuple[str, str | None, str | None] | None:
    """Return the token of the cookie, with the application and the environment that it is used for."""
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    parts = found.value.split(_BETWEEN) if found is not None and found.value else []
    return (parts[0], parts[1] or None, parts[2] or None) if len(parts) == len(_FIELDS) else None


def _sent(house: House, value: str, seconds: int) -> PageResponse:
    secure = "; Secure" if house.settings.public_url.startswith("https://") else ""
    cookie = f"{COOKIE}={value}; Path={PLACE}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    answer = redirect(PLACE)
    return PageResponse(answer.status, answer.body, {**answer.headers, "set-cookie": cookie})


def _door(said: str | None = None, *, status: int = 200) -> PageResponse:
    # Without a referrer a browser would hide the form's origin, which is what tells it from a forged one.
    return render("operate_door.html", {"here": PLACE, "said": said}, status=status, headers=_OWN_ORIGIN)


_OWN_ORIGIN: Final = {"referrer-policy": "same-origin"}


def _shown(house: House, caller: Caller, endpoint_id: str | None) -> Mapping[str, Any]:
    wanted = endpoint_id if endpoint_id and is_uuid(endpoint_id) else None
    with house.work(caller.scope, read=True) as uow:
        endpoints = uow.webhooks.list_endpoints()
        found, total = uow.webhooks.page_deliveries(endpoint_id=wanted, order_id=None, limit=SHOWN, offset=0)
        last = uow.events.last()
    now = house.clock.now()
    look = house.backlog.look_at(caller.scope, now)
    late = max([look.lag, *(heap.late(now) for heap in look.heaps)])
    return {
        "here": PLACE,
        "scope": caller.scope,
        "now": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "look": look,
        "heaps": [(heap, round(heap.late(now))) for heap in look.heaps],
        "late": round(late),
        "is_late": late > LATE_SECONDS,
        "last": last,
        "endpoints": endpoints,
        "chosen": wanted,
        "deliveries": _rows(found, {each.id: each.url for each in endpoints}),
        "total": total,
    }


def _rows(found: Sequence[Mapping[str, Any]], urls: Mapping[str, str]) -> list[Mapping[str, Any]]:
    return [
        {**each, "tone": _TONES[each["status"]], "url": urls.get(each["endpointId"], "a deleted endpoint")}
        for each in found
    ]
