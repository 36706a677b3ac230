"""Whatever stands in Accept or Content-Type: it is judged without exceptions, and alike whatever its case."""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("media")
