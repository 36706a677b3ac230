"""Whatever method, target, fields and body a request has: it carries a query within limits, or is refused by reason.

- A dialect that is counted is served; one that is refused is refused for that alone.
- The body of a POST is the query, byte for byte.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("request")
