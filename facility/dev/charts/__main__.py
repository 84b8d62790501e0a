"""`python -m facility.dev.charts`: writes the README.md of each chart from its other files."""

from __future__ import annotations

from facility.dev.charts.values import Chart, charts, default

UMBRELLA, DEMO = "facility", "demo"
_MADE = "<!-- Made by `python -m facility.dev.charts` from Chart.yaml and values.yaml: change those. -->"


def readme(chart: Chart) -> str:
    """The whole page."""
    about = chart.about
    parts = [
        f"# {chart.name}\n\n{_MADE}",
        f"{about['description']}.",
        f"## Install\n\n{_install(chart)}",
        f"Values to begin with:\n\n{_examples(chart)}",
        f"## Test\n\n{_test(chart)}",
        f"## Values\n\n{_table(chart)}",
    ]
    return "\n\n".join(parts) + "\n"


def _install(chart: Chart) -> str:
    space = DEMO if chart.name == DEMO else "facility"
    command = f"helm upgrade --install {chart.name} charts/{chart.name} --namespace {space} --create-namespace"
    block = f"```sh\n{command} --values VALUES.yaml\n```"
    if chart.name == UMBRELLA:
        links = ", ".join(f"[{one['name']}](../{one['name']}/README.md)" for one in chart.about["dependencies"])
        needed = "```sh\nhelm dependency update charts/facility\n"
        whole = block.replace("```sh\n", needed)
        return f"Holds {links}; values of each stand under its name.\n\n{whole}"
    if chart.name == DEMO:
        return f"`make demo` does it, with the Secrets that it needs.\n\n{block}"
    return (
        f"A part of [facility](../facility/README.md), which takes its values under `{chart.name}`. Alone:\n\n{block}"
    )


def _examples(chart: Chart) -> str:
    found = sorted((chart.folder / "ci").glob("*.yaml"))
    names = [(path.name, path.name[3:].removesuffix("-values.yaml").replace("-", " ")) for path in found]
    return "\n".join(f"- [{purpose}](ci/{name})" for name, purpose in names)


def _test(chart: Chart) -> str:
    space = DEMO if chart.name == DEMO else "facility"
    release = chart.name if chart.name == DEMO else "facility"
    only = "" if chart.name in (UMBRELLA, DEMO) else f" --filter name={chart.name}-test"
    live = f"On a cluster: `helm test {release} --namespace {space}{only} --logs`.\n\n"
    has = chart.tested or chart.name == UMBRELLA
    return f"{live if has else ''}Without one: `.venv/bin/pytest tests/charts -k {chart.name}`."


def _table(chart: Chart) -> str:
    rows = [
        f"| `{'.'.join(path)}` | {_cell(default(chart, path))} | {_cell(text)} |"
        for path, text in chart.documented.items()
    ]
    return "\n".join(["| Value | Default | What it is |", "|---|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the pages."""
    for chart in charts():
        (chart.folder / "README.md").write_text(readme(chart))


if __name__ == "__main__":
    main()
