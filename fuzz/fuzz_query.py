"""Whatever bytes a client sends: they are a query that dnspython reads as we do, or they are refused by name.

- `parse_query` returns or raises Malformed, after no more looks at the bytes than its limits allow.
- The query that we send upstream for it carries the question, CD and DO, and nothing else of what the client sent.
- A refused message of twelve bytes or more gets a reply that can be read and has its ID and opcode.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("query")
