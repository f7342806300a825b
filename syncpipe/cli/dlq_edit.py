"""``syncpipe dlq edit``: an operation that takes the place of one that was given up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncpipe.cli.desk import dated, desk, reason_option
from syncpipe.cli.options import configured
from syncpipe.cli.output import Form, form_option, note, write
from syncpipe.cli.replaying import carried_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.cli.desk import Desk
    from syncpipe.cli.options import Configuration
    from syncpipe.deadletters.editing import Wish


@click.command()
@configured
@form_option
@click.argument("id_", metavar="ID")
@click.option(
    "--field", "sets", multiple=True, metavar="NAME=JSON", help="Set a field; repeatable."
)
@click.option("--unset", multiple=True, metavar="NAME", help="Name a field no more; repeatable.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    help="JSON object with all fields as they are to be; - is stdin.",
)
@click.option(
    "--as-of",
    type=click.Choice(["original", "now"]),
    default="original",
    show_default=True,
    help="Its version; now: a new one, which wins over what was written since.",
)
@click.option("--version", type=int, help="A new version, where the source gives versions.")
@click.option("--reveal", is_flag=True, help="Edit values, not masks; admins may; it is audited.")
@click.option("--dry-run", is_flag=True, help="Check it, and change nothing.")
@click.option("--replay", "replays", is_flag=True, help="Replay it at once.")
@reason_option()
@click.pass_context
def edit(ctx: click.Context, /, configuration: Configuration, form: Form, **options: Any) -> None:
    """Put a corrected operation in the place of the one that was given up, which is kept.

    Without --field, --unset and --file it opens $EDITOR. There, and in a file, fields that are
    masked stay as they are, unless something else is put in the place of their mask. The new
    operation has a new id and, unless told otherwise, the version of the original. Values are JSON,
    or else text; with the tags of documents, such as "~d2026-03-01", other types.
    """
    with desk(configuration) as opened:
        wish = _wish(opened, options)
        dry_run, reason = options["dry_run"], options["reason"]
        done = opened.letters.edit(options["id_"], wish, reason=reason, dry_run=dry_run)
        if done["superseded"]:
            note(
                "The record is newer: it would end as superseded. --as-of now gives a new version."
            )
        if not done["asked"]:
            note("The target cannot tell whether the original was applied after all: look there.")
        if form is Form.TABLE:
            fields = ", ".join(done["fields"]) or "none"
            became = "would become" if dry_run else "became"
            click.echo(f"{done['original']} {became} {done['id'] or 'a new one'}")
            click.echo(f"fields that differ: {fields}; version {done['version']}")
        elif not options["replays"] or dry_run:
            write([dated(done)], form, ())
        if options["replays"] and not dry_run:
            made = opened.letters.replay(f'id:"{done["id"]}"', reason=reason)
            ctx.exit(carried_out(opened, made, form, detach=False))


def _wish(desk: Desk, options: Mapping[str, Any]) -> Wish:
    """Return what the command line, a file or an editor wants."""
    from syncpipe.deadletters.editing import Wish

    if options["sets"] or options["unset"]:
        sets, removes = dict(map(_assignment, options["sets"])), frozenset(options["unset"])
    else:
        shown = desk.letters.editable(
            options["id_"], reveal=options["reveal"], reason=options["reason"]
        )
        fields = shown["fields"] or {}
        written = _written(options["file"], fields)
        sets = {n: v for n, v in written.items() if n not in fields or _differs(v, fields[n])}
        removes = frozenset(fields.keys() - written.keys())
    as_of_now = options["as_of"] == "now"
    return Wish(sets, removes, as_of_now=as_of_now, version=options["version"])


def _written(file: Path | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields in *file*, or what somebody makes of *fields* in an editor."""
    from syncpipe.errors import InvalidValue
    from syncpipe.ops.records import json_fields

    if file is not None:
        with click.open_file(str(file), encoding="utf-8") as stream:
            text = stream.read()
    else:
        before = json.dumps(fields, ensure_ascii=False, indent=2) + "\n"
        text = click.edit(before, extension=".json") or before
    try:
        return json_fields(text, exact=True)
    except InvalidValue as error:
        raise click.UsageError(error.message) from error


def _assignment(text: str) -> tuple[str, Any]:
    """Return name and value of ``name=value``; what is no JSON is a text."""
    from syncpipe.errors import InvalidValue
    from syncpipe.ops.records import json_fields

    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{text!r} is no NAME=JSON, such as total=12.")
    try:
        read = json_fields(f'{{"value": {value}}}', exact=True)
    except InvalidValue:
        read = {}
    if read.keys() == {"value"}:
        return name, read["value"]
    return name, f"~{value}" if value.startswith("~") else value


def _differs(written: Any, shown: Any) -> bool:
    """Return whether somebody has changed what an editor showed."""
    return json.dumps(written, default=str, sort_keys=True) != json.dumps(
        shown, default=str, sort_keys=True
    )
