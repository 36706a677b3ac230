"""Whatever stands in a machine's resolv.conf: a few addresses are taken from it, each once, and nothing else."""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("resolv_conf")
