"""Stand-ins for provider APIs, each with a truth of its own, for the demo and for tests.

Scope: what all stand-ins share lives here (HTTP server, clock, faults, rate limits, request log,
versioned store, admin door); each provider is a package beside these modules.
"""
