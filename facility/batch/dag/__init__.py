"""DAGs of jobs: DAGMan's input files, run from where their owner is."""
