"""Step 3: from validated VOs to manifests. Pure: no clock, no chance, no connection; the same in is the same out."""
