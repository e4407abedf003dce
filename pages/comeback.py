"""Where a buyer comes back to from a provider: the provider is asked what happened, and the buyer is sent on."""

from functools import partial
from typing import Final
from urllib.parse import parse_qsl

from bootstrap import House
from pages.checkout import come_back
from pages.response import redirect
from penstock.flows.resume_payment import resume_payment
from penstock.session import SessionStatus
from penstock.web_page import Page, PageRequest, PageResponse

_MAX_FIELDS: Final = 50
_MAX_LENGTH: Final = 16_384
_FRAMES: Final = frozenset({"iframe", "frame"})


def comeback_page(house: House) -> Page:
    """Return the page that takes buyers back, by a link or by a form of the provider's."""

    def back(request: PageRequest) -> PageResponse:
        session_id = request.params["sessionId"]
        caller = house.identity.by_session(session_id)
        if caller is None:
            return redirect(f"/checkout/{session_id}")
        work = partial(house.work, caller.scope)
        with work(read=True) as uow:
            session = uow.sessions.get(session_id)
        if session is not None and session.live_payment_id is not None:
            resume_payment(work, house.cascade, session.live_payment_id, brought(request))
            with work(read=True) as uow:
                session = uow.sessions.get(session_id)
        is_paid = session is not None and session.status is SessionStatus.COMPLETED
        target = come_back(session.return_url, session_id) if session is not None and is_paid else None
        if target is None or request.headers.get("sec-fetch-dest") in _FRAMES:
            return redirect(f"/checkout/{session_id}")
        return redirect(target)

    return back


def brought(request: PageRequest) -> dict[str, str]:
    """Return what the provider put on the address or into its form, as far as anybody would want to read it."""
    texts = (request.query[:_MAX_LENGTH], request.body[:_MAX_LENGTH].decode("utf-8", "replace"))
    pairs = [pair for text in texts for pair in parse_qsl(text, keep_blank_values=True)]
    return dict(pairs[:_MAX_FIELDS])
