"""A server's half of HTTP/1.1 (RFC 9112) for small requests, without sockets, clocks or tasks.

    receive(bytes)                   what has come
    next_request() -> Request        what it says, one request at a time and each when it is asked for

Requests are read one by one, so that whoever answers them stands where their sender thinks: what is behind a request is
looked at when that is answered, and bytes that are no request spoil none that came before them. What is no HTTP to the
letter is refused, for two readers that differ about where a request ends are how requests are smuggled. Everything that
a client can make us keep or do has a limit, named in `limits`.

Responses are not made here: all of them are known whole, and one line of text more or less.

Modules: `head` knows request lines and fields, `chunks` bodies in pieces, `connection` is what ties them together.
"""
