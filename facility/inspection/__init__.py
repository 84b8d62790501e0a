"""`facility check`: reads a whole facility as an administrator may, and says in sentences what is wrong with it.

Reading (read.py) and judging (judge/) are apart: what is read is plain facts, and every sentence follows from them.
(`facility.checks` is another thing: what `helm test` asks as a stranger.)
"""
