"""A person's own machine outside of the facility: signed in once by the device flow, it gets tokens by itself.

The facility is not asked for tokens from there: this machine has a session of its own with the VO's issuer, as a public
client that the VO names, and keeps its refresh token where only its person can read it.
"""
