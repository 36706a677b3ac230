"""A server's half of HTTP/2 (RFC 9113) for small requests, without sockets, clocks or tasks.

    receive(bytes, now) -> events        what the client did: requests, resets
    respond(stream, ...)                 what we say
    data_to_send() -> bytes              what the transport is to write

Server only. Requests with a small body, responses of one DNS message. No push, no priorities, no CONNECT, no trailers
out. What other libraries leave to their users is the point here: everything a client can make us keep or do has a
limit, named in `limits`, and passing one ends the connection with GOAWAY.

Modules: `frames` knows the layout of frames; `hpack` header blocks; `fields` what a request's fields may be; `stream`
one stream; `flow` what may be sent; `connection` the state machine that ties them together.
"""
