"""Whatever text is given for a DNS stamp: it is read and written as it was, or refused in a sentence."""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("stamp")
