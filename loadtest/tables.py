"""Results as text: a table on the terminal, Markdown for the repository."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from loadtest.results import Chart, Result, Sheet, number

VERDICTS = {True: "reached", False: "missed", None: ""}
_STYLES = {True: "[green]reached[/]", False: "[red]missed[/]", None: ""}


def checks_table(results: Sequence[Result]) -> Table:
    """All lines against the goals, for a terminal."""
    table = Table("scenario", "what", "measured", "goal", "", title="One run, one machine")
    for result in results:
        for check in result.checks:
            table.add_row(result.scenario, check.what, check.measured, check.goal, _STYLES[check.reached])
        if result.failure:
            table.add_row(result.scenario, "not measured to the end", result.failure, "", "[red]failed[/]")
    return table


def sheet_table(sheet: Sheet) -> Table:
    """A scenario's own table, for a terminal."""
    table = Table(*sheet.columns, title=sheet.title)
    for row in sheet.rows:
        table.add_row(*row)
    return table


def all_reached(results: Iterable[Result]) -> bool:
    """Whether nothing was missed and nothing failed."""
    return not any(result.failure or any(c.reached is False for c in result.checks) for result in results)


def markdown(results: Sequence[Result]) -> str:
    """The whole record: machine, goals, then each scenario with its tables, pictures and notes."""
    if not results:
        return "Nothing was measured.\n"
    parts = [_machine_line(results[0]), _checks(results)]
    parts += [_section(result) for result in results]
    return "\n\n".join(parts) + "\n"


def _machine_line(result: Result) -> str:
    machine = result.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    length = "short repetitions: good for a look" if result.short else "full repetitions"
    return (
        f"{result.began_at:%Y-%m-%d}, {machine.cores} cores of {machine.cpu}, {machine.memory_gb:.0f} GB, "
        f"{machine.system}, Python {machine.python}, {versions}; {length}. "
        "Means with 95 % confidence intervals over repetitions."
    )


def _checks(results: Sequence[Result]) -> str:
    rows = [
        (result.scenario, check.what, check.measured, check.goal, VERDICTS[check.reached])
        for result in results
        for check in result.checks
    ]
    rows += [(r.scenario, "not measured to the end", r.failure, "", "failed") for r in results if r.failure]
    return rows_as_markdown(("scenario", "what", "measured", "goal", ""), rows)


def _section(result: Result) -> str:
    parts = [f"## {result.title}"]
    parts += [f"{sheet_as_markdown(sheet)}" for sheet in result.sheets]
    parts += [chart_as_markdown(chart) for chart in result.charts]
    if result.notes:
        parts.append("\n".join(f"- {note}" for note in result.notes))
    return "\n\n".join(parts)


def sheet_as_markdown(sheet: Sheet) -> str:
    """A titled table."""
    return f"**{sheet.title}**\n\n{rows_as_markdown(sheet.columns, sheet.rows)}"


def chart_as_markdown(chart: Chart) -> str:
    """A picture and its note."""
    return f"![{chart.title}]({chart.name}.png)" + (f"\n\n{chart.note}" if chart.note else "")


def rows_as_markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars and line ends inside cells are taken care of."""
    lines = [_row(columns), _row(["---"] * len(columns)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def lines_as_sheet(title: str, x_name: str, chart: Chart) -> Sheet:
    """A chart's points as a table: one row per x, one column per line."""
    xs = sorted({point.x for line in chart.lines for point in line.points})
    rows = [(f"{x:g}", *(_cell(chart, index, x) for index in range(len(chart.lines)))) for x in xs]
    return Sheet(title=title, columns=(x_name, *(line.label for line in chart.lines)), rows=tuple(rows))


def _cell(chart: Chart, index: int, x: float) -> str:
    point = next((point for point in chart.lines[index].points if point.x == x), None)
    if point is None:
        return ""
    found = point.estimate
    text = number(found.mean) if found.count == 1 else f"{number(found.mean)} ± {number(found.half_width)}"
    return f"{text} (void: {point.void})" if point.void else text
