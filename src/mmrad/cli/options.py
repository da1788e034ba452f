"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

CorpusArgument = Annotated[Path, typer.Argument(help="Folder of the corpus.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
SeedOption = Annotated[int, typer.Option(help="Seed of all random choices.")]
SourceOption = Annotated[
    list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")
]
PromptsOption = Annotated[
    str,
    typer.Option(
        help="Built-in prompts by name, or a TOML file of your own; a model trained here keeps its own."
    ),
]
ModelHelp = "anomaly-r1-nano, a model or expert of `mmrad models`, a folder, or a model of --base-url."
ConcurrencyOption = Annotated[
    int, typer.Option(min=1, help="Requests at once to an endpoint; fewer while it limits the rate.")
]
ModelsOption = Annotated[
    Path | None,
    typer.Option("--models", help="TOML file of your own entries; else the one MMRAD_MODELS names."),
]
BaseUrlOption = Annotated[
    str | None, typer.Option(help="OpenAI-compatible endpoint; the key is read from OPENAI_API_KEY.")
]
ProviderOption = Annotated[
    Literal["openai", "inspect"] | None,
    typer.Option(help="`openai` is any compatible endpoint, `inspect` any of inspect-ai."),
]
