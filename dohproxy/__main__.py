"""`python -m dohproxy` is the `dohproxy` command."""

import gc


def main() -> None:
    """Run the command line."""
    # What is imported stays: the collector would look through all of it again and again and find nothing, which is a
    # sixth of the time that importing takes. From here on it leaves that alone.
    gc.disable()
    from dohproxy.cli import main as command

    gc.freeze()
    gc.enable()
    # Whichever way it was started, this is what to type.
    command(prog_name="dohproxy")


if __name__ == "__main__":
    main()
