"""Whatever answer was accepted: TTLs are brought between floor and ceiling, aged or set, and nothing else changes.

- Every TTL is what arithmetic says, never below zero, and one with its highest bit set counts as zero.
- No byte beside the TTLs is another one afterwards; to clamp twice is to clamp once.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("ttls")
