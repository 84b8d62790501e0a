"""The commands of people: `facility …` and `oidc-token`, in a notebook, in a job and on their own machine.

Standard library only: they run beside people's work, and on machines that have nothing else of the facility.
"""
