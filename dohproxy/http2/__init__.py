"""A server's half of HTTP/2 (RFC 9113) for small requests, without sockets, clocks or tasks.

    Http2Connection(limits, now, answerer)   the engine of one connection; `answerer` is the frontend
    receive(bytes, now)                      takes what the client has sent, and meanwhile calls the answerer:
        answerer.on_request(...)                 a request is complete; what is returned answers it then and there
        answerer.on_large_header(...)            a request's header is over its limits
        answerer.on_reset(...)                   the client has lost interest
    respond(stream, ...)                     answers a request for which `on_request` had nothing yet
    data_to_send() -> bytes                  what the transport is to write

It is a server only: requests have a small body, responses are one DNS message, and there is no push, no priority, no
CONNECT and no trailer that we send. Other libraries leave limits to their users. Here everything that a client can
make us keep or do has a limit, which `limits` names, and passing one ends the connection with GOAWAY.

`connection` is the state machine. It is made of `reader` (bytes to frames), `frames` (their layout), `blocks`, `hpack`
and `huffman` (header blocks), `fields` (which header lists are requests), `stream` (one stream), `flow` (what may be
sent), `allowances` and `bucket` (what a client may still do), `response` (what we answer), `errors` and `limits`.
"""
