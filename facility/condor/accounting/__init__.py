"""What jobs have used: read from HTCondor's own records of ended jobs, kept per person, told to those who account."""
