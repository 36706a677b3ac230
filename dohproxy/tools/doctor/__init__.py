"""What `dohproxy doctor` looks at: one file a subject, each with what it sees, and in plain functions what that means.

Nothing here changes anything, and nothing is asked but this machine, the service's own listeners, its upstreams, and
for records a resolver.
"""
