"""Whatever file is given for a list of public suffixes: it is taken whole or refused in a sentence, and by what was
taken each name ends with its registered domain.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("suffix_list")
