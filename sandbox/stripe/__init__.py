"""A stand-in for the Stripe API.

Scope: what its public documentation promises, refusals included; written from that and from no
client. Start it with `python3 -m sandbox.stripe`.
"""
