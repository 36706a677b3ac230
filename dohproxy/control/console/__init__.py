"""The operator's page: served at the admin socket, and to who has logged in on a loopback listener."""
