# Terminals of JupyterLab are login shells, which begin with Debian's PATH alone.
PATH="/opt/venv/bin:$PATH"
