"""Whatever bytes a client of DoT sends, however they are cut: the same is said, and nothing behind the end.

- Each whole message is answered once and under its own ID, in whatever order, up to what ends the connection.
- A client that says that it is at its end gets what it is owed.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("dot")
