"""Whatever bytes lie where the cache's snapshot is looked for: they are refused in one way, or they do no harm.

- `read_snapshot` returns or raises DamagedSnapshot, and nothing later raises anything but Malformed.
- Every key is one that `parse_query` makes, every answer one that `parse_answer` makes.
- A cache that takes it all back keeps to its bounds and ceilings, and says the same after another round.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("snapshot")
