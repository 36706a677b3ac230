"""Whatever requests came: Prometheus' own parser reads the metrics, each request is counted once, and no byte of it is
a label.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("metrics")
