"""The frontends: HTTP bytes to requests, responses to bytes, and every limit on a connection.

No DoH rule lives here.
"""
