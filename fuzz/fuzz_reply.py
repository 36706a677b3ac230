"""Whatever answer was accepted: each client gets it under its own question, with its own bits, otherwise unchanged.

The answer's ID chooses the client (EDNS or not, DO, CD, AD, RD, padding, ECS, 0x20 case) and the answer's age.

- ID, question bytes, RD and CD are the client's; AD only for who asked; the rcode keeps all its bits or is SERVFAIL.
- Every TTL is older by exactly the age, and no other byte of the records has changed.
- There is one OPT if and only if there was one, at the end: our EDE codes, the ECS with scope 0, padding if asked for.
- dnspython reads the reply if it could read the answer, and finds the same records.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("reply")
