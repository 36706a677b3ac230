"""Whatever file is given for a blocklist: it is read to its end, and what cannot be used is told with its line."""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("blocklist")
