"""`mmrad models`."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmrad.cli.options import JsonOption
from mmrad.errors import UsageError

if TYPE_CHECKING:
    from mmrad.catalogue import Model, PriceEntry


def models(
    name: Annotated[str | None, typer.Argument(help="Show everything that is known of this model.")] = None,
    vendor: Annotated[str | None, typer.Option(help="Only models of this vendor.")] = None,
    own: Annotated[
        Path | None,
        typer.Option("--models", help="TOML file of your own entries; else the one MMRAD_MODELS names."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models that are known: how they write boxes, what they cost, when they retire.

    Prices are dollars per million tokens, of the input and of the output; no price is an unknown one. Below
    them stand the expert detectors, which know no words and are trained on the good parts of a corpus.

    Example:  mmrad models gpt-5
    """
    chosen = _chosen(name, vendor, own)
    today = _today()
    if as_json:
        described = [describe(model, today) for model in chosen]
        typer.echo(json.dumps(described[0] if name else described, indent=2, ensure_ascii=False))
        return
    Console().print(_facts(chosen[0]) if name else _table(chosen))
    if name is None and vendor is None:
        Console().print(_experts())
    for model in chosen:
        if warning := model.retired(today):
            typer.secho(warning, fg="yellow", err=True)


def describe(model: Model, today: date) -> dict[str, Any]:
    """A model as JSON values, with what `Model.retired` warns of on that day as `warning`."""
    return {**model.model_dump(mode="json"), "warning": model.retired(today)}


def _today() -> date:
    return date.today()


def _chosen(name: str | None, vendor: str | None, own: Path | None) -> list[Model]:
    from mmrad.catalogue import catalogue

    known = catalogue(own)
    if name is not None:
        if name not in known:
            raise UsageError(
                f"no model {name!r} in the catalogue; see  mmrad models  and add your own with --models FILE"
            )
        return [known[name]]
    vendors = {model.vendor.lower() for model in known.values()}
    if vendor is not None and vendor.lower() not in vendors:
        there = ", ".join(sorted({model.vendor for model in known.values() if model.vendor}))
        raise UsageError(f"no models of {vendor!r}; there are some of {there}")
    return [model for model in known.values() if vendor is None or model.vendor.lower() == vendor.lower()]


def _table(chosen: list[Model]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=0)
    for heading in ("name", "title", "boxes", "thinking", "$ in", "$ out", "as of", "retires"):
        words = heading in ("name", "title")  # they give way to the rest on a narrow terminal, uncut
        justify: Literal["left", "right"] = "right" if heading.startswith("$") else "left"
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=not words)
    for model in chosen:
        price = model.price
        table.add_row(
            escape(model.name),
            escape(model.title),
            model.space.value + {"documented": "", "reported": " ?", "assumed": " ??"}[model.box_source],
            model.thinking,
            *((f"{price.input:g}", f"{price.output:g}", str(price.as_of)) if price else ("", "", "")),
            str(model.retires_on or ""),
        )
    table.caption = "boxes: ? reported by users, ?? assumed; check with  mmrad probe"
    return table


def _experts() -> Table:
    from mmrad.inspectors.experts.settings import TITLES, ExpertSettings

    table = Table(box=SIMPLE_HEAD, padding=0)
    for heading in ("expert", "title", "trained for", "backbone by default"):
        table.add_column(heading, no_wrap=True)
    for name, title in TITLES.items():
        settings = ExpertSettings(detector=name).resolved()
        one = settings.classes == "one"
        table.add_row(name, title, "each category" if one else "all categories at once", settings.backbone)
    table.caption = "fitted by  mmrad bench CORPUS --model NAME  or  mmrad train expert CORPUS --model NAME"
    return table


def _facts(model: Model) -> Table:
    """All fields that say something, then where they were read and what nobody has checked."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    values = model.model_dump(mode="json", exclude={"price", "sources", "unverified"})
    for field, value in values.items():
        if value not in (None, "", [], {}):
            table.add_row(field, escape(_shown(value)))
    table.add_row("price", escape(_price(model.price)))
    for fact, source in model.sources.items():
        table.add_row(f"source of {fact}", escape(source))
    for fact in model.unverified:
        table.add_row("unverified", escape(fact))
    return table


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} = {json.dumps(item)}" for key, item in value.items())
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _price(price: PriceEntry | None) -> str:
    if price is None:
        return "unknown"
    where = f" at {price.host}" if price.host else ""
    return (
        f"{price.input:g} in, {price.output:g} out (dollars per million tokens){where}; "
        f"as of {price.as_of}, {price.source}"
    )
