"""An upstream that keeps a limit, bans who passes it and writes everything down: what a guest has to live with.

books       when each query came: by second, the fullest second, the smallest burst that explains them all
limit       a token bucket, and the ban for who passes it
answers     plausible answers by a function of the name
signals     every way in which an upstream tells a guest that it is unwelcome
simulator   the four, behind UDP, TCP and TLS sockets on loopback; a process of its own
__main__    the proxy in front of it: `python -m bench.ban`
"""
