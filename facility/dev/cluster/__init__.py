"""A real Kubernetes on a developer's machine or a CI worker, from nothing but Debian and Go packages.

`python -m facility.dev.cluster up` leaves a kind cluster whose NetworkPolicies are enforced. Where a container
registry answers, its images are used; where none does, the same images are built here.
"""
