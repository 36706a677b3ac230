"""Whatever stands in the `dns` parameter: it is the one spelling of some bytes, or it is refused with ValueError."""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("base64url")
