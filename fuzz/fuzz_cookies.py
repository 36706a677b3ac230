"""Whatever cookies an upstream returns, in whatever order: only ours is taken, none of an illegal length is sent."""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("cookies")
