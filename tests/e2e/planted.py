"""Bugs that the tests of the pages must notice: what is broken, where, and by which test it is found."""

from dataclasses import dataclass

SESSIONS = "tests/contract/test_session_totals.py"
CONTRACT, CHECKOUT, TOTALS, EMBED, DOCS = (
    "tests/contract/test_pages.py",
    "tests/e2e/test_checkout.py",
    "tests/e2e/test_totals.py",
    "tests/e2e/test_embed.py",
    "tests/e2e/test_docs.py",
)


@dataclass(frozen=True)
class Bug:
    """``old`` stands in the file exactly once and becomes ``new``."""

    name: str
    path: str
    old: str
    new: str
    found_by: tuple[str, ...]


BUGS = (
    Bug(
        "everybody may frame the checkout",
        "pages/layout.py",
        """framing = " ".join(ancestors) or "'none'\"""",
        'framing = "*"',
        (
            f"{CONTRACT}::test_nobody_may_frame_a_checkout_until_an_origin_is_allowed",
            f"{EMBED}::test_a_page_that_is_not_allowed_cannot_frame_a_checkout",
        ),
    ),
    Bug(
        "an origin need only begin like an allowed one",
        "pages/checkout.py",
        "return named if named in allowed else None",
        "return named if any(named.startswith(one) for one in allowed) else None",
        (f"{CONTRACT}::test_a_frame_speaks_only_to_an_origin_that_is_exactly_allowed",),
    ),
    Bug(
        "what a merchant writes becomes markup",
        "pages/layout.py",
        "autoescape=select_autoescape(default=True, default_for_string=True)",
        "autoescape=False",
        (f"{CONTRACT}::test_what_a_merchant_writes_is_text_and_never_markup",),
    ),
    Bug(
        "the bank takes answers from everywhere",
        "pages/challenge.py",
        "if not is_own(request):",
        "if is_own is None:",
        (f"{CONTRACT}::test_the_bank_takes_no_answer_from_another_page",),
    ),
    Bug(
        "the bank does not look which charge is meant",
        "pages/challenge.py",
        "if one.provider_ref == ref",
        "if ref",
        (f"{CONTRACT}::test_the_bank_knows_only_the_charge_of_the_session_that_is_named",),
    ),
    Bug(
        "the frame tells whoever listens",
        "pages/static/checkout.js",
        "...details }, state.parentOrigin);",
        '...details }, "*");',
        (f"{EMBED}::test_a_frame_tells_only_the_origin_that_was_named",),
    ),
    Bug(
        "the frame obeys a message",
        "pages/static/checkout.js",
        '  window.addEventListener("pageshow"',
        '  window.addEventListener("message", (event) => { if (event.data.type === "submit") pay(); });\n'
        '  window.addEventListener("pageshow"',
        (f"{EMBED}::test_no_message_moves_the_frame",),
    ),
    Bug(
        "the merchant's page believes any frame",
        "pages/static/embed.js",
        "if (event.source !== frame.contentWindow || event.origin !== origin) return null;",
        "",
        (f"{EMBED}::test_a_sibling_frame_cannot_speak_for_the_checkout",),
    ),
    Bug(
        "a lost answer counts as the end",
        "pages/static/checkout.js",
        "status === 0 || status === 202",
        "status === 202",
        (f"{CHECKOUT}::test_a_lost_connection_is_no_lost_payment",),
    ),
    Bug(
        "the button can be pressed again",
        "pages/static/checkout.js",
        "if (submit) submit.disabled = !isIdle;",
        "",
        (f"{CHECKOUT}::test_a_second_press_of_the_button_sends_nothing",),
    ),
    Bug(
        "another address leaves the total that is shown",
        "pages/static/checkout.js",
        "const isWorked = () => !state.isToCalculate ||",
        "const isWorked = () => true ||",
        (
            f"{TOTALS}::test_another_address_than_the_calculated_one_brings_the_new_total",
            f"{TOTALS}::test_a_buyer_who_pays_at_once_is_shown_the_new_total_first",
        ),
    ),
    Bug(
        "the page pays whatever the cart comes to by now",
        "pages/static/checkout.js",
        ', expectedAmount: Number(shownTotal().replace(".", ""))',
        "",
        (f"{CHECKOUT}::test_a_buyer_whose_cart_was_changed_elsewhere_sees_the_new_total_before_it_is_charged",),
    ),
    Bug(
        "a session's calculation forgets the buyer's address",
        "penstock/flows/calculate_session.py",
        "    if any(session.address(name) != address for name, address in given.items()):",
        "    if not given:",
        (f"{SESSIONS}::test_the_address_that_was_calculated_counts_before_the_one_that_the_session_was_opened_with",),
    ),
    Bug(
        "nobody asks after the buyer was at the bank",
        "pages/static/checkout.js",
        'if (state.page === "waiting") resume();',
        "",
        (f"{CHECKOUT}::test_a_buyer_who_comes_back_by_a_way_of_their_own_is_asked_after",),
    ),
    Bug(
        "the reference fetches its fonts",
        "pages/static/docs.js",
        "withDefaultFonts: false",
        "withDefaultFonts: true",
        (f"{DOCS}::test_the_reference_renders_and_asks_nobody_else",),
    ),
)
