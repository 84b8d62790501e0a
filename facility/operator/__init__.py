"""The operator: writes all that depends on virtual organizations, their people, and the demand of their jobs."""
