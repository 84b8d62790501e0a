"""An analysis facility for several virtual organizations on Kubernetes: one login, tokens only, closed data."""
