"""The pictures of the documentation, made of a service over which the flood of September 2019 comes: for people to look
at, and for the tests that hold their making.

scene       the service, who watches it and who is on duty; the flood, then upstreams that are gone
shots       which pictures there are: of which page, at which moment, how large
setup       the members' page, of a service of its own
panels      what the panels of the dashboard show of it, as one drawing
png         pixels into few bytes
__main__    `python -m bench pictures`
"""
