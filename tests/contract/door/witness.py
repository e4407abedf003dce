"""Runs in a process of its own: serves the probes with JSON logs (and traces, if asked), asks a few things, and ends.

What it was asked holds secrets in every place; the test reads what this process wrote.
"""

import importlib
import sys

import httpx

from handlers import logs
from handlers.app import create_app
from tests.contract.door import stub
from tests.contract.door.serving import serving

CARD = "4111111111111111"
BASE = "/api/v1/probes"


def traced():
    """Collect spans in memory, and print them at the end."""
    trace = importlib.import_module("opentelemetry.trace")
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    memory = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    return memory


def main():
    memory = traced() if "traced" in sys.argv else None
    logs.configure("info", "json")
    with (
        serving(create_app(stub.House(), stub.document(), "tests.contract.door")) as port,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": stub.SECRET}, trust_env=False
        ) as client,
    ):
        client.post(f"{BASE}/notes", json={"text": "hush-body"}, headers={"Idempotency-Key": "hush-idempotency"})
        client.post(f"{BASE}/notes", json={"text": f"hush {CARD}"})
        client.post(f"{BASE}/notes", json={"text": "!boom"})
        client.get(f"{BASE}/notes?cursor=hush-query&limit=5", headers={"Cookie": "hush-cookie"})
        client.get(f"{BASE}/sessions/{stub.SESSION}", headers={"X-Request-Id": "shown-to-all"})
        client.get(f"{BASE}/trouble/away")
        client.get("/hush-path", headers={"Authorization": "Bearer hush-token"})
    for span in memory.get_finished_spans() if memory else ():
        print("span", span.name, dict(span.attributes), span.context.trace_id)


if __name__ == "__main__":
    main()
