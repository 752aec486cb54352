"""run, check, map: inputs in, outputs out, all in JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dlhub_cli.given import input_value, json_items, parameters_of
from dlhub_cli.options import AsJson, Name, Token, Url, connect
from dlhub_cli.output import note, print_json
from dlhub_cli.progress import shown

Method = Annotated[str, typer.Option("--method", help="Which of its methods.")]
Parameters = Annotated[
    str | None, typer.Option("--parameters", metavar="JSON|@FILE|-", help="Keyword arguments, as an object.")
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.001, metavar="S", help="How long it may take, seconds.")
]
Outputs = Annotated[
    list[str] | None,
    typer.Option("--output", metavar="NAME", help="Only this entry of the output, a dict; may be repeated."),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output-file",
        "-o",
        metavar="PATH",
        help="Write the output there: an array as .npy, .png, .jpg, .tif or .csv, a file as it is.",
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Compute it now, even if the hub remembers the output.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(run)
    app.command()(check)
    app.command(name="map")(map_inputs)


def run(
    inputs: Annotated[
        str,
        typer.Option(
            "--input",
            metavar="JSON|@FILE|-",
            help="The input: JSON, a file of JSON (.json) or another (.png, .npy, ...), standard input.",
        ),
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="OWNER/NAME", help="Name of a servable, OWNER/NAME[@VERSION].")
    ] = None,
    local: Annotated[
        Path | None,
        typer.Option(
            "--local", metavar="DIR", help="Build and run a folder with a dlhub.json here, without a hub."
        ),
    ] = None,
    parameters: Parameters = None,
    method: Method = "run",
    asynchronous: Annotated[
        bool, typer.Option("--async", help="Print the id of a task and do not wait.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Print timings and what the model printed, too.")
    ] = False,
    timeout: Timeout = None,
    outputs: Outputs = None,
    fresh: Fresh = False,
    output_file: OutputFile = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Run a servable and print its output as JSON, or write it to a file."""
    if output_file is not None and asynchronous:
        raise typer.BadParameter("--output-file needs the output, which --async does not wait for")
    if (name is None) == (local is None):
        raise typer.BadParameter("name a servable, OWNER/NAME, or a folder: --local DIR")
    value = input_value(inputs, "--input")
    keywords = parameters_of(parameters)
    if local is not None:
        _run_here(local, method, value, keywords, output_file, quiet=as_json)
        return
    assert name is not None
    with connect(url, token) as hub:
        answer = hub.run_json(
            name,
            value,
            keywords,
            asynchronous=asynchronous,
            timeout_s=timeout,
            method=method,
            outputs=outputs or None,
            fresh=fresh,
            returns=output_file,
        )
    if output_file is not None:
        note(f"Wrote {answer['output']}")
        if debug:
            print_json({**answer, "output": str(answer["output"])})
    elif not asynchronous:
        print_json(answer if debug else answer.get("output"))
    elif as_json:
        print_json(answer)
    else:
        typer.echo(answer["id"])
        note(f"Its result: dlhub tasks wait {answer['id']}")


def _run_here(
    folder: Path,
    method: str,
    inputs: Any,
    parameters: dict[str, Any],
    output_file: Path | None,
    *,
    quiet: bool,
) -> None:
    from dlhub_cli import here

    with shown(quiet=quiet) as on_progress:
        answer = here.run_folder(folder, method, inputs, parameters, on_progress, output_file)
    if answer.printed:
        note(answer.printed.rstrip("\n"))
    if output_file is None:
        typer.echo(answer.output_json)
    else:
        note(f"Wrote {output_file}")
    if not quiet:
        note(answer.in_words)


def check(
    name: Name,
    inputs: Annotated[str, typer.Option("--input", metavar="JSON|@FILE|-", help="The input, as for run.")],
    parameters: Parameters = None,
    method: Method = "run",
    outputs: Outputs = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a run would take an input, and what it would change in it; nothing is run."""
    value, keywords = input_value(inputs, "--input"), parameters_of(parameters)
    with connect(url, token) as hub:
        found = hub.check(name, value, keywords, method, outputs or None, in_json=True)
    if as_json:
        print_json(asdict(found))
        return
    for change in found.coercions:
        typer.echo(str(change))
    what = "with the changes above" if found.coercions else "as it is"
    note(f"{name} (version {found.version}, method {found.method}) takes it {what}.")


def map_inputs(
    name: Name,
    inputs: Annotated[
        str, typer.Option("--input", metavar="@FILE|-|JSON", help="A JSON array, or JSON lines.")
    ],
    parameters: Parameters = None,
    method: Method = "run",
    on_error: Annotated[
        str, typer.Option("--on-error", help='"stop" at the first failure, or "return" each in its place.')
    ] = "stop",
    timeout: Timeout = None,
    fresh: Fresh = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Run a servable on each of many inputs; one line of JSON for each, in order (--json: one array)."""
    from dlhub_client.mapping import AsJson as InJson

    if on_error not in ("stop", "return"):
        raise typer.BadParameter('--on-error is "stop" or "return"')
    items = json_items(inputs, "--input")
    keywords = parameters_of(parameters)
    with connect(url, token) as hub, shown(quiet=as_json) as on_progress:
        outputs = hub.map(
            name,
            items,
            keywords,
            method,
            "raise" if on_error == "stop" else "return",
            on_progress,
            timeout,
            form=InJson(),
            fresh=fresh,
        )
    _print_outputs(outputs, as_json=as_json)


def _print_outputs(outputs: list[Any], *, as_json: bool) -> None:
    from proto_msgs.errors import DLHubError, Failure

    failed = 0
    lines = []
    for output in outputs:
        if isinstance(output, DLHubError):
            failed += 1
            output = {"error": Failure.of(output).model_dump(exclude_none=True)}
        lines.append(output)
    if as_json:
        print_json(lines)
    else:
        import json

        for line in lines:
            typer.echo(json.dumps(line, ensure_ascii=False))
    if failed:
        note(f"{failed} of {len(outputs)} inputs failed.")
        raise typer.Exit(1)
