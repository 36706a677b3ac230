"""Whatever OPT a client sends: it is read to its end or refused by name, and ours that answers it can be read.

- An ECS option is echoed if there was one, and never two.
- Padding stands only where it was asked for, and makes a block whole or stops at a limit.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("opt")
