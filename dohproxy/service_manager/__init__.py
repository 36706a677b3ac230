"""What systemd, or another service manager, tells a service and wants to hear from it.

Three parts of one small protocol of environment variables, descriptors and datagrams (sd_notify(3),
sd_listen_fds(3)): no library is needed for so little, and none could decide what a listener does with its socket.
"""
