"""The run of an expert under the paper's thresholds, derived from its own run without asking it again.

RUNS/NAME-oracle/run.json, verdicts.jsonl   a run like any other; the maps are those of `RUNS/NAME/maps`
RUNS/NAME-oracle/sweep.json                 each category at all thresholds, see `mmrad.bench.sweep`
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import ValidationError

from mmrad import __version__
from mmrad.bench.expert_runs import RunMaps, state_of, threshold_of
from mmrad.bench.progress import Progress
from mmrad.bench.recipe import ORACLE
from mmrad.bench.run import INFO_FILE, VERDICTS_FILE, Run, RunInfo, load_info, write_derived
from mmrad.bench.sweep import Sweep, sweep
from mmrad.errors import DataError, UsageError
from mmrad.files import file_name, write_text
from mmrad.inspectors.experts.settings import TITLES

SWEEP_FILE = "sweep.json"


def derive_oracle(run: Run, progress: Callable[[Progress], None] | None = None) -> Run:
    """The run of the same scores and maps under the paper's thresholds, beside a complete run of an expert.

    A derived run that is up to date is left as it is. Queries that the expert could not judge have no
    judgement there either.

    Args:
        run: The expert's run, with thresholds of its own.
        progress: Told how many of the queries are done.

    Raises:
        UsageError: When the run is of no expert or not complete, or another run has the derived one's name.
        DataError: When a map is missing or damaged.
    """
    if threshold_of(run.info) != "honest":
        raise UsageError(f"{run.path}: only the run of an expert has scores and maps to put a threshold to")
    missing = len(run.samples) - len(run.verdicts)
    if missing:
        raise UsageError(f"{run.path}: {missing} of its queries have no verdict yet; run  mmrad bench  again")
    info = _describe(run)
    folder = run.path.with_name(file_name(info.name))
    if (folder / INFO_FILE).exists():
        held = load_info(folder)
        if held.about.get("derived_from") != run.info.name:
            raise UsageError(f"{folder} holds another run; give that of {run.path} another name")
        if held.inspector == info.inspector:
            return Run(folder, held)
    elif (folder / VERDICTS_FILE).exists() and not (folder / SWEEP_FILE).exists():
        raise UsageError(f"{folder} holds verdicts of another run; give that of {run.path} another name")

    def tell(done: int) -> None:
        if progress:
            progress(Progress(info.name, len(run.samples), done, dollars=0.0))

    swept, verdicts = sweep(run.samples, run.verdicts, RunMaps.of(run).placed, tell)
    write_text(folder / SWEEP_FILE, swept.model_dump_json(indent=1) + "\n")
    return write_derived(folder, info, (verdicts[sample_id] for sample_id in info.sample_ids))


def read_sweep(run: Run) -> Sweep:
    """The sweep of a derived run.

    Raises:
        DataError: When it is missing or damaged.
    """
    path = run.path / SWEEP_FILE
    try:
        return Sweep.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(
            f"{path}: unreadable ({error}); delete {run.path} and run  mmrad bench  again"
        ) from error


def _describe(run: Run) -> RunInfo:
    about = {name: value for name, value in run.info.about.items() if name != "calibration"}
    title = TITLES[about["expert"]]
    about |= {
        "title": f"{title}, oracle threshold (paper)",
        "threshold": "oracle",
        "derived_from": run.info.name,
        "published": title,
    }
    if "variant_of" in about:
        about["variant_of"] += ORACLE
    judged = {name: value for name, value in run.info.inspector.items() if name != "alpha"}
    chosen = {"threshold": "paper", "threshold_source": "test_labels", "derived_from": state_of(run)}
    return run.info.model_copy(
        update={
            "name": run.info.name + ORACLE,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "mmrad_version": __version__,
            "inspector": judged | chosen,
            "about": about,
        }
    )
