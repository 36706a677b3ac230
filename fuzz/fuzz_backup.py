"""Whatever bytes are called a backup: they are refused in a sentence, or all of it goes where its configuration says.

- `prove_archive` returns or raises BadBackup or ConfigError, and takes no more memory than a part may have.
- No part is longer than any of its kind, and below a directory none has a place outside of it.
- A configuration for another place says the same of all else.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("backup")
