"""Whatever bytes an upstream sends: they are an answer that dnspython reads as we do, or they are refused by name.

- `parse_answer` returns or raises Malformed, after no more looks at the bytes than its limits allow.
- Kind, rcode, bits, counts, EDE codes and the time it may be kept are those that dnspython's reading implies.
- The remembered places of the TTLs are the places of the TTLs.
- An NXDOMAIN that can be moved under other questions reads the same under all of them.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("answer")
