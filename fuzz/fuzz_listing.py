"""Whatever text is given for an entry of a list of resolvers: it is read or refused, and the corrected one is right."""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("listing")
