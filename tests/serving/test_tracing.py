"""OpenTelemetry spans through the graph: when asked, and never otherwise."""

from collections.abc import Callable, Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.serving.conftest import SONG_FEATURES, local_client, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.serving.service import Service
from tunesmith.serving.settings import NodeSettings
from tunesmith.serving.tracing import Traces

MIDI = {"Content-Type": "audio/midi"}


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Trace into memory."""
    found = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield found
    provider.shutdown()


def names_below(spans: tuple[ReadableSpan, ...], parent: ReadableSpan) -> set[str]:
    return {
        span.name
        for span in spans
        if span.parent is not None
        and parent.context is not None
        and span.parent.span_id == parent.context.span_id
    }


def test_each_node_is_a_span_with_what_it_did_below_it(
    exporter: InMemorySpanExporter,
    store: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
) -> None:
    write_bundle(store)
    with local_client(make_service()) as client:
        assert client.post("/v1/composer", content=midi_factory(), headers=MIDI).status_code == 200
    spans = exporter.get_finished_spans()
    (node,) = [span for span in spans if span.name == "node composer"]
    assert names_below(spans, node) == {"decode", "judge"}
    (judged,) = [span for span in spans if span.name == "judge"]
    assert judged.attributes == {
        "tunesmith.model": "composer",
        "tunesmith.version": 1,
        "tunesmith.items": 1,
    }
    assert judged.end_time is not None
    assert node.end_time is not None
    assert judged.end_time <= node.end_time


def test_nodes_asked_at_once_have_their_own_spans_and_failures_are_marked(
    exporter: InMemorySpanExporter, store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store, task="genre")
    song = dict.fromkeys(SONG_FEATURES, 0.5)
    nodes = {"genre": NodeSettings(), "emotion": NodeSettings(reads="table")}
    with local_client(make_service(nodes=nodes)) as client:
        answer = client.post("/v1/classify", json={"table": song}).json()
    assert set(answer["gaps"]) == {"emotion"}
    spans = exporter.get_finished_spans()
    status = {span.name: span.status.is_ok for span in spans if span.name.startswith("node")}
    assert status == {"node genre": True, "node emotion": False}


def test_without_a_tracer_nothing_is_made(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    traces = Traces()
    assert traces.span("a") is traces.span("b", items=1)
    write_bundle(store)
    with local_client(make_service()) as client:
        assert client.post("/v1/composer", content=midi_factory(), headers=MIDI).status_code == 200
