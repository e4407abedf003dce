"""Give a generated request real things to speak of: without them every id is unknown and nothing ever succeeds."""

from schemathesis import GenerationMode

from connectors.payments import sandbox_messages
from penstock.caller import Scope
from tests.shop import Shop, made
from tests.shops import hand_on

REAL = 3
"""Of how many positive requests one keeps its generated ids: the others get real ones."""


def is_for_people(case) -> bool:
    """Tell whether an operation asks for a dashboard session before anything else."""
    return "dashboard" in next(iter(case.operation.definition.raw.get("security", [])), {})


SUMS = ("subtotal", "discountTotal", "shippingTotal", "taxTotal")


class Ground:
    """Makes rows for generated requests. One count decides who gets real ids, so two runs send the same."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.count = 0
        self.connector_id = self.inbound_id = self.endpoint_id = ""
        order = shop.paid_order()
        self.order_id = order["id"]
        self.payment_id = made(shop.get("/payments"))["data"][0]["id"]
        hand_on(shop.house)
        self.event_id = made(shop.get("/events?limit=1"))["data"][0]["id"]

    def prepare(self, case) -> None:
        """Put real ids into a request that was meant to be good."""
        self.count += 1
        if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE or self.count % REAL == 0:
            return
        if is_for_people(case):
            self._place(case)
        if case.operation.path.startswith("/inbound/"):
            self._message(case)
            return
        if case.operation.path.startswith("/test-clock"):
            self._clock(case)
            return
        cart = self._ship_and_tax(case) if case.operation.path.startswith("/shipping-tax/") else self._path(case)
        if isinstance(case.body, dict):
            self._body(case.body, cart)

    def _place(self, case):
        """Name the application and the environment, in whichever header the request names one."""
        own = {"x-application-id": self.shop.application_id, "x-throttle-environment-id": self.shop.environment_id}
        given = {name: value for name, value in (case.headers or {}).items() if not name.lower().endswith("-id")}
        case.headers = {**given, **own}

    def _path(self, case):
        path = case.operation.path
        if "{" not in path:
            return None
        cart = self.shop.cart(items=1) if path.startswith("/carts/") else None
        own = {"id": self._id(path)} if cart is None else {"id": cart["id"]}
        if "{cartId}" in path:
            own = {"cartId": cart["id"], "id": cart["lineItems"][0]["id"]}
        case.path_parameters = {**(case.path_parameters or {}), **own}
        return cart

    def _id(self, path):
        """A real id for a path, by its end or its beginning."""
        if path.endswith(("/capture", "/void", "/refund", "/resolve")):
            return self._payment(path.rpartition("/")[2])
        kinds = {
            "/checkout-sessions/": self._session,
            "/orders/": lambda: self.order_id,
            "/payment-routing/versions/": self._version,
            "/connectors/": self._connector,
            "/checkout/sessions/": lambda: self.shop.session()["id"],
            "/payments/": lambda: self.payment_id,
            "/webhook-endpoints/": self._endpoint,
            "/webhook-deliveries/": lambda: made(self.shop.post(f"/webhook-endpoints/{self._endpoint()}/test"))["id"],
            "/events/": lambda: self.event_id,
            "/discounts/": self._discount,
        }
        return next((find() for start, find in kinds.items() if path.startswith(start)), None) or self._key()

    def _key(self):
        key = self.shop.as_member("POST", "/api-keys", {"name": "fuzzed", "scopes": ["carts:read"]})
        return made(key, 201)["id"]

    def _payment(self, verb):
        """The id of a payment to which this can be done."""
        if verb == "resolve":
            return made(self.shop.complete(self.shop.session()["id"], "tok_sandbox_pending"), 202)["paymentId"]
        mode = "automatic" if verb == "refund" else "manual"
        return made(self.shop.complete(self.shop.session(captureMode=mode)["id"]))["paymentId"]

    def _session(self):
        if self.count % 2:
            opened = self.shop.post("/checkout-sessions/embed-token", {"amount": 1 + self.count, "currency": "EUR"})
            return made(opened)["checkoutSessionId"]
        return self.shop.session()["id"]

    def _clock(self, case):
        """Let a clock stand that was not moved yet, or none where one is to be made."""
        shop = self.shop
        with shop.house.work(Scope(shop.workspace_id, shop.environment_id, shop.application_id)) as uow:
            uow.environment.remove_clock()
        if case.operation.label != "POST /test-clock":
            made(shop.post("/test-clock"), 201)
        if isinstance(case.body, dict) and self.count % 4:
            case.body = {"seconds": self.count}

    def _message(self, case):
        """Send what the sandbox would have signed."""
        if not self.inbound_id:
            body = {"connector": "sandbox", "settings": {"webhook_secret": "whsec_of_the_fuzzer"}}
            self.inbound_id = made(self.shop.post("/connectors", body), 201)["id"]
        case.path_parameters = {"connectorName": "sandbox", "id": self.inbound_id}
        case.body = f'{{"id": "evt_{self.count}", "type": "charge.updated", "ref": "ch_1"}}'
        signed = sandbox_messages.signed(case.body.encode(), "whsec_of_the_fuzzer", self.shop.house.clock.now())
        case.headers = {**(case.headers or {}), **signed}

    def _connector(self):
        """The id of a connection that is still there; most requests leave it."""
        if self.shop.get(f"/connectors/{self.connector_id}").status_code != 200:
            self.connector_id = made(self.shop.post("/connectors", {"connector": "sandbox"}), 201)["id"]
        return self.connector_id

    def _endpoint(self):
        """The id of an endpoint that is still there; most requests leave it."""
        if self.shop.get(f"/webhook-endpoints/{self.endpoint_id}").status_code != 200:
            wanted = {"url": "https://store.example.com/hooks", "enabledEvents": ["order.created"]}
            self.endpoint_id = made(self.shop.post("/webhook-endpoints", wanted), 201)["id"]
        return self.endpoint_id

    def _told(self, body):
        """Name an endpoint, an address and types of events that there are, in three requests of four."""
        if self.count % 4 == 0:
            return
        if "endpointId" in body:
            body["endpointId"] = self._endpoint()
        if "url" in body:
            body["url"] = f"https://store.example.com/{self.count}"
        if "enabledEvents" in body:
            body["enabledEvents"] = ["order.created", "payment.captured"]
        if "eventType" in body:
            body["eventType"] = "order.created"

    def _discount(self):
        """The id of a discount, most of the time one with a code of its own."""
        code = f"FUZZ{self.count}" if self.count % 4 else ""
        given = {"code": code, "name": "Fuzzed", "type": "percentage", "value": 1 + self.count % 100}
        return made(self.shop.post("/discounts", given), 201)["id"]

    def _version(self):
        """The id of a version of a list."""
        made(self.shop.as_member("PUT", "/other-decline", {"rules": []}))
        return made(self.shop.as_member("GET", "/payment-routing/versions?limit=1"))["data"][0]["id"]

    def _draft(self):
        """Write a draft that can be published."""
        made(self.shop.put("/shipping-tax/config/draft", {"shipping": {"mode": "byo"}, "tax": {"mode": "off"}}))

    def _published(self):
        """The id of a version of the configuration."""
        self._draft()
        return made(self.shop.post("/shipping-tax/config/publish"))["id"]

    def _quote_token(self):
        """A token that lives as long as the request that it is made for: there may not be too many."""
        for each in made(self.shop.get(f"/shipping-tax/quote-tokens?applicationId={self.shop.application_id}"))["data"]:
            made(self.shop.delete(f"/shipping-tax/quote-tokens/{each['id']}"))
        body = {"applicationId": self.shop.application_id, "name": "fuzzed"}
        return made(self.shop.post("/shipping-tax/quote-tokens", body))

    def _ship_and_tax(self, case):
        """Name the application, have a draft where one is needed, and show a token that is good."""
        path = case.operation.path
        if "{cartId}" in path:
            case.path_parameters = {"cartId": self.shop.cart(items=1)["id"]}
        elif path.startswith("/shipping-tax/snapshots/"):
            cart_id = self.shop.cart(items=1)["id"]
            kept = self.shop.post(f"/shipping-tax/carts/{cart_id}/calculate", {"persist": True})
            case.path_parameters = {"id": made(kept)["snapshotId"]}
        elif "{id}" in path:
            case.path_parameters = {"id": self._published()}
        elif "{tokenId}" in case.operation.path:
            case.path_parameters = {"tokenId": self._quote_token()["id"]}
        if case.query and "applicationId" in case.query:
            case.query = {**case.query, "applicationId": self.shop.application_id}
        if case.operation.path.endswith(("/publish", "/draft", "/validate")):
            self._draft()
            case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "if-match"}
        if isinstance(case.body, dict) and "totals" in case.body:
            self._published()
            case.body = {"applicationId": self.shop.application_id, "totals": {**dict.fromkeys(SUMS, 0), "total": 0}}
        if isinstance(case.body, dict) and "quoteToken" in case.body:
            case.body["applicationId"] = self.shop.application_id
            case.body["quoteToken"] = self._quote_token()["rawToken"]
            case.body["discountsTotal"] = 0

    def _lists(self, body):
        """Give rules connections that are there and conditions that fit, in three lists of four."""
        if self.count % 4 == 0:
            return
        ids = [each["id"] for each in made(self.shop.as_member("GET", "/routing-connectors"))["data"]][:1]
        for each in [body, *body.get("draft", {}).values()]:
            if "defaultCascade" in each:
                each["defaultCascade"] = ids
            for rule in each.get("rules", []):
                rule["conditions"] = [{"type": "country", "op": "is_one_of", "values": ["US", "DE"]}]
                if "cascade" in rule:
                    rule["cascade"] = ids
            if any("connections" in rule for rule in each.get("rules", [])):
                each["rules"] = []

    def _code(self, body):
        """Name a code that there is where one is asked for, and give a new one a code that nobody has."""
        if self.count % 4 == 0 or not body.keys() & {"code", "discountCode"}:
            return
        if "type" in body or "value" in body:
            body["code"] = f"NEW{self.count}"
            return
        name = "discountCode" if "discountCode" in body else "code"
        code = f"CODE{self.count}"
        given = {"code": code, "name": "Fuzzed", "type": "percentage", "value": 10, "maxRedemptionsPerCustomer": None}
        made(self.shop.post("/discounts", given), 201)
        body[name] = code.lower()

    def _account(self, body):
        if "connector" in body:
            body["connector"] = "sandbox"
        if "connector" in body or "settings" in body:
            body["settings"] = {"api_key": "fuzzed"}
        if "evidence" in body and self.count % 4:
            body.pop("transactionId", None)
            body["outcome"] = "succeeded"

    def _body(self, body, cart):
        self._account(body)
        self._lists(body)
        self._told(body)
        self._code(body)
        if "applicationId" in body:
            body["applicationId"] = self.shop.application_id
        if "scopes" in body and self.count % 4:
            body["scopes"] = ["carts:read", "orders:read"]
        if "cartId" in body:
            body["cartId"] = self.shop.cart(items=1)["id"]
        if body.get("paymentMethod") == "card" and self.count % 4:
            body |= {"paymentToken": "tok_sandbox_approve", "email": "ada@example.com"}
        if set(body) == {"amount"} and self.count % 4:
            body["amount"] = 1 + self.count % 3000
        for unavailable in ("recurring", "paymentTerms"):
            if self.count % 4:
                body.pop(unavailable, None)
        for line in body.get("lines", []) if cart else []:
            line["lineItemId"], line["currency"] = cart["lineItems"][0]["id"], cart["currency"]
        if "currency" in body and cart:
            body["currency"] = cart["currency"]
