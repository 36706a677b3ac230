"""Discovery: what there is to tell of this service, and the answers for clients that ask it about itself."""
