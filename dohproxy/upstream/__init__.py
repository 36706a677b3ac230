"""The resolvers we ask, and the courtesy we owe them.

Budgets, breakers, selection and attempts decide in plain functions; the resolver and its transports carry it out.
"""
