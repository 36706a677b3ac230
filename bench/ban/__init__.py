"""An upstream that keeps a limit, bans who passes it and writes everything down: what a guest has to live with.

books       when each query came: by second, the fullest second, the smallest burst that explains them all
limit       a token bucket, and the ban for who passes it
answers     plausible answers by a function of the name
signals     every way in which an upstream tells a guest that it is unwelcome
sockets     one port on all addresses, and when the kernel saw a datagram
simulator   all of it behind UDP, TCP and TLS on loopback
process     the simulator in a thread, for tests, or as a process of its own
scenarios   the proxy in front of it, and clients who ask for too much
__main__    `python -m bench.ban`
"""
