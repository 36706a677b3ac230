"""An entry of a public list of resolvers: what it says, and what it should."""
