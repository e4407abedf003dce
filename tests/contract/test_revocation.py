"""A revoked key is refused at once, in every process that serves."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.contract.test_cli import desk, finished, init, program, ready  # noqa: F401  desk is a fixture
from tests.servers import free_port

KEYS = 60
CONNECTIONS = 8


@pytest.fixture
def server():
    """Two processes that serve one database; yields what `penstock init` printed, and their address."""
    made, port = init(), free_port()
    process = program("serve", "--port", str(port), "--workers", "2", PENSTOCK_LOG_LEVEL="error")
    try:
        assert ready(port, process)
        yield made, f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.terminate()
        finished(process)


def test_after_the_answer_to_a_revocation_no_process_lets_the_key_in(server):
    made, address = server
    member = {"Authorization": f"Bearer {made['dashboardToken']}"}
    clients = [httpx.Client(base_url=address, trust_env=False) for _ in range(CONNECTIONS)]
    let_in, served = [], set()
    with ThreadPoolExecutor(CONNECTIONS) as crowd:

        def ask(key):
            return list(crowd.map(lambda c: c.get("/orders", headers={"X-API-Key": key}).status_code, clients))

        for _ in range(KEYS):
            answer = clients[0].post("/api-keys", json={"name": "x", "scopes": ["*"]}, headers=member)
            key = answer.json()
            served.update(ask(key["rawKey"]))
            assert clients[0].delete(f"/api-keys/{key['id']}", headers=member).status_code == 204
            let_in += [status for status in ask(key["rawKey"]) if status != 401]
    for client in clients:
        client.close()
    assert served == {200}
    assert let_in == [], f"{len(let_in)} of {KEYS * CONNECTIONS} requests were let in after the revocation"
