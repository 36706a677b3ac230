"""The `h2` library as a client of the engine, both in memory."""

from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.settings

from dohproxy.http2.connection import Http2Connection
from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.response import Response
from tests.http2.client import Fields
from tests.http2.events import Event, Recorder, RequestReceived, StreamReset


@dataclass
class Peer:
    """An `h2` client and the engine it talks to. Each request is answered with `answers[path]`, or waits if none."""

    limits: Http2Limits = field(default_factory=Http2Limits)
    settings: dict[int, int] = field(default_factory=dict)
    answers: dict[str, bytes] = field(default_factory=dict)
    acknowledges: bool = True

    def __post_init__(self) -> None:
        self.now = 50.0
        self.seen: list[Event] = []
        self.engine = Http2Connection(self.limits, self.now, Recorder(self.seen))
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.client = h2.connection.H2Connection(config)
        known = {h2.settings.SettingCodes(key): value for key, value in self.settings.items()}
        self.client.local_settings = h2.settings.Settings(client=True, initial_values=known)
        self.client.initiate_connection()
        self.events: list[h2.events.Event] = []
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.exchange()

    def ask(self, fields: Fields, body: bytes | None = None) -> int:
        """Send a request; `exchange` lets it arrive."""
        stream_id = self.client.get_next_available_stream_id()
        self.client.send_headers(stream_id, list(fields), end_stream=body is None)
        if body is not None:
            self.client.send_data(stream_id, body, end_stream=True)
        return stream_id

    def exchange(self) -> None:
        """Carry bytes to and fro until both sides are silent."""
        while True:
            sent = self.client.data_to_send()
            if sent:
                before = len(self.seen)
                self.engine.receive(sent, self.now)
                self._serve(self.seen[before:])
            received = self.engine.data_to_send()
            if not sent and not received:
                return
            self._take(self.client.receive_data(received) if received else [])

    def _serve(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case RequestReceived(stream_id, head):
                    self.engine.note_valid_request()
                    if head.path in self.answers:
                        self.answer(stream_id, self.answers[head.path])
                case StreamReset(stream_id):
                    self.engine.abandon(stream_id)
                case _:
                    raise AssertionError(event)

    def answer(self, stream_id: int, body: bytes) -> None:
        """Answer a request as a frontend does."""
        fields = (("content-type", "application/dns-message"), ("content-length", str(len(body))))
        self.engine.respond(stream_id, Response(200, fields, body), self.now)

    def _take(self, events: list[h2.events.Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, h2.events.DataReceived):
                stream_id = event.stream_id
                self.bodies[stream_id] = self.bodies.get(stream_id, b"") + event.data
                if self.acknowledges:
                    self.client.acknowledge_received_data(event.flow_controlled_length, stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(event.stream_id)
