"""DNS over TLS (RFC 7858) without a socket: how messages stand in a stream, how refusals are said, and the names that
stand for members. Bytes come in and go out; nothing here waits."""
