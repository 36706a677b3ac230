"""Whatever file is given for a configuration: it can be used, or each problem is a sentence under its path."""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("configuration")
