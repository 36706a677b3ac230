"""Real resolvers as upstreams, in every state that operators put them in, and what each side sees of it."""
