"""What a client is given so that it asks this service: one file for each kind of client, made from what is offered.

Everything here is pure: an offer goes in, the bytes of a file come out.
"""
