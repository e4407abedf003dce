"""Messages that providers send by themselves."""

from bootstrap import House
from handlers.body import RawMessage
from handlers.wire import Json
from penstock.flows.take_message import take_message
from penstock.ports import Work
from penstock.request import WebhookDelivery


def receive_message(work: Work, house: House, connector_name: str, id_: str, body: RawMessage) -> Json:
    delivery = WebhookDelivery(body.headers, body.content, house.clock.now())
    taken = take_message(work, house.accounts, id_, connector_name, delivery)
    return {"received": taken.received, "repeated": taken.repeated}
