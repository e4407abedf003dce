"""The races of refunds, captures and voids. The bank executes whatever it is asked, so its books show every mistake."""

from collections import Counter
from typing import Any

from tests.faults.races import RACERS, Prices, tally
from tests.faults.town import Shop
from tests.faults.volley import Clients

Asked = tuple[str, int | None]


async def refunds(shop: Shop, count: int) -> list[str]:
    """Twenty refunds, each of 60 % of what was captured. One is made, and the bank gives back no more."""
    return await _volleys(shop, count, lambda price: [("refund", price * 6 // 10)] * RACERS)


async def mixed_refunds(shop: Shop, count: int) -> list[str]:
    """Ten refunds of a tenth race ten of everything. The parts or the whole, never both."""
    return await _volleys(shop, count, lambda price: [("refund", price // 10), ("refund", None)] * (RACERS // 2))


async def lost_refunds(shop: Shop, count: int) -> list[str]:
    """Twenty refunds of 60 % whose money moves and whose answer is lost, once or for a while."""
    half = count // 2
    wanted = _all_of_sixty
    told = await _volleys(shop, half, wanted, token="tok_sandbox_refund_timeout_after")
    return told + await _volleys(shop, count - half, wanted, token="tok_sandbox_refund_unknown")


async def captures_and_voids(shop: Shop, count: int) -> list[str]:
    """Ten captures race ten voids of money that is held. The bank is asked for one of them, once."""
    race: list[Asked] = [("capture", None), ("void", None)] * (RACERS // 2)
    return await _volleys(shop, count, lambda _: race, mode="manual")


def _all_of_sixty(price: int) -> list[Asked]:
    return [("refund", price * 6 // 10)] * RACERS


async def _volleys(shop: Shop, count: int, wanted: Any, *, token: str = "tok_sandbox_approve", mode="automatic"):
    faults, prices, charges = [], Prices(shop), {}
    async with Clients(shop.ports, RACERS) as clients:
        for _ in range(count):
            price = prices.take()
            session = await shop.session(clients, await shop.cart(clients, price), captureMode=mode)
            paid = await clients.ask(shop.complete(session, token=token))
            place = f"/payments/{paid.json['paymentId']}"
            asked = wanted(price)
            asks = [shop.ask("POST", f"{place}/{verb}", {} if n is None else {"amount": n}) for verb, n in asked]
            answers = await clients.volley(asks)
            if any(answer.status not in (200, 202, 409, 422) for answer in answers):
                faults.append(tally(answers))
            await clients.ask(shop.ask("POST", f"{place}/void"))  # one more question resolves what is still open
            payment = await shop.need(clients, "GET", place)
            charges[payment["providerRef"]] = (price, payment)
    return faults + _judged(shop, charges)


def _judged(shop: Shop, charges: dict[str, tuple[int, Any]]) -> list[str]:
    """Compare each payment with what the bank did to its charge."""
    faults, done, moved = [], Counter[str](), Counter[tuple[str, str]]()
    for row in shop.bank.steps():
        moved[row["charge"], row["verb"]] += row["amount"]
        done[row["charge"]] += row["verb"] != "refund"
    for ref, (price, payment) in charges.items():
        refunded, captured, voided = (moved[ref, verb] for verb in ("refund", "capture", "void"))
        if refunded > price:
            faults.append(f"{refunded} of {price} refunded")
        if done[ref] > 1:
            faults.append(f"{done[ref]} captures and voids: {captured} captured, {voided} released")
        held = payment["captureMode"] == "manual"
        says = [payment["amountRefunded"] + payment["amountRefunding"], payment["amountCaptured"] if held else 0]
        if says != [refunded, captured] or (payment["status"] == "voided") != bool(voided):
            faults.append(f"the bank: {refunded}, {captured}, {voided}; the payment: {says} {payment['status']}")
        if not refunded + captured + voided:
            faults.append(f"nothing was done to a payment of {price}")
    return faults
