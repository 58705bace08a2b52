"""A chapter run for every combination of some values of its parameters, each once, side by side, whatever stops it."""

import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from IPython import get_ipython
from tqdm.auto import tqdm

from layerbook.asked import UsageError, chapter_of, fitting, full_size
from layerbook.chapters import STORE, Chapter, Interrupted
from layerbook.locks import Busy, lives
from layerbook.needs import check_needs
from layerbook.parameters import recordable
from layerbook.places import check_writable, files_named, find_book, from_here, out_path, stamp, sweep_places
from layerbook.provenance import code_digest, git_state
from layerbook.remote import put
from layerbook.swept import FAILED, Combination, in_a_process, stop_processes
from layerbook.syntax import digest

LOOK = 0.5  # seconds between looks at what others run


@dataclass
class Swept:
    """What came of a sweep: its folder, how many runs it has, how many of them had finished before, which failed."""

    folder: Path
    runs: int
    before: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def plan(
    chapter: str,
    over: Mapping[str, Sequence],
    values: Mapping[str, object] | None = None,
    *,
    size: str = "small",
    out: str | os.PathLike | None = None,
    book: str | os.PathLike | None = None,
) -> list[Combination]:
    """Every combination of a sweep, checked.

    Parameters
    ----------
    chapter : name of the notebook, without ``.ipynb``
    over : name of a parameter -> its values; the last name varies fastest; a file is looked for where you are
    values : of parameters that are the same in every run
    size : "small", or "full": what is not named has the values of ``parameters/CHAPTER.yaml``
    out : folder of the runs; by default ``_build/sweeps/CHAPTER`` beside the book. Or an address that papermill
        writes to, such as ``s3://bucket/depths``: the runs go there too, beside a folder here that is named after it
    book : folder of the chapters; by default ``./book``

    Returns
    -------
    list of Combination; a chapter that stores trainings shares ``networks`` in ``out`` among them, unless
    ``values`` name a folder

    Raises
    ------
    ValueError
        if a name or a value is wrong, a name is in both, two combinations are one, or ``out`` takes no file
    """
    home = find_book(None if book is None else Path(book))
    values = {name: from_here(value, home) for name, value in (values or {}).items()}
    found = chapter_of(home, chapter)
    if not over or any(isinstance(several, str) or not len(several) for several in over.values()):
        raise UsageError(f"over: expected names with at least one value each, got {dict(over)}")
    if both := sorted(set(over) & set(values)):
        raise UsageError(f"{', '.join(both)}: either one value or several, got both")
    fixed = (full_size(home, found) if size == "full" else {}) | fitting(values, found)
    folder, remote = sweep_places(out, home, chapter)
    if STORE in found.parameters and not fixed.get(STORE):
        fixed[STORE] = str(folder / "networks")
    git, code = git_state(home), code_digest(found.path)
    runs = {}
    for several in itertools.product(*over.values()):
        varied = fitting({name: from_here(one, home) for name, one in zip(over, several, strict=True)}, found)
        check_needs(found, fixed | varied)
        run = replace(_run(found, fixed | varied, folder, git, code), remote=remote)
        if run.name in runs:
            raise UsageError(f"over: the combination {varied} is there twice")
        runs[run.name] = run
    first = next(iter(runs.values()))
    check_writable(out_path(first.notebook, size, home, found.path), None)
    return list(runs.values())


def sweep(
    chapter: str,
    over: Mapping[str, Sequence],
    values: Mapping[str, object] | None = None,
    *,
    size: str = "small",
    jobs: int = 1,
    dask: str | None = None,
    out: str | os.PathLike | None = None,
    book: str | os.PathLike | None = None,
    runner: Callable[[Combination], dict] | None = None,
) -> Swept:
    """Run a chapter for every combination of some values, but for those that have finished by the code of today.

    Each is a process of its own. One that fails keeps its notebook as far as it came, and the others go on. After an
    interruption, or a kill, the same call goes on: no more is lost than what was running. What another sweep runs in
    the same folder is waited for.

    Parameters
    ----------
    chapter, over, values, size, out, book : as of `plan`
    jobs : runs side by side on this machine
    dask : address of a scheduler of ``dask.distributed``, whose workers see the same folders: they run instead
    runner : what runs a combination, instead of a process

    Returns
    -------
    Swept

    Raises
    ------
    ValueError
        if anything is wrong with what was asked for; nothing has run then
    Interrupted
        if it was stopped from outside

    Examples
    --------
    >>> from layerbook.sweep import sweep
    >>> sweep("cooperating_classifiers", {"depth": [2, 4, 8]}, {"width": 32}, jobs=2).failed
    {}
    """
    if not isinstance(jobs, int) or jobs < 1:
        raise UsageError(f"jobs: expected a whole number of at least 1, got {jobs!r}")
    runs = plan(chapter, over, values, size=size, out=out, book=book)
    waiting = [run for run in runs if not run.finished()]
    swept = Swept(Path(runs[0].folder), len(runs), len(runs) - len(waiting))
    if remote := runs[0].remote:  # a place that takes nothing shall say so before hours are spent
        put(json.dumps({"chapter": chapter, "runs": [run.name for run in runs]}), f"{remote}/sweep.json")
    if runner is None:
        threads = None if dask else max(1, (os.cpu_count() or 1) // jobs)
        runner = partial(in_a_process, threads=threads)
    ended = swept.before
    with _executor(jobs, dask) as executor, _bar(swept) as bar:
        try:
            with contextlib.closing(_ended(waiting, runner, executor, bar)) as ends:
                for run, error in ends:
                    ended += 1
                    bar.update()
                    if error:
                        swept.failed[run.name] = error
                        bar.set_description(f"{len(swept.failed)} failed")
        except KeyboardInterrupt:
            raise Interrupted(
                f"{ended} of {len(runs)} runs have ended: {swept.folder}; the same again goes on"
            ) from None
    return swept


def _bar(swept: Swept) -> tqdm:
    """How many runs have ended, and the time left: where somebody looks, which is a terminal or a notebook."""
    quiet = bool(os.environ.get("CI") or os.environ.get("TQDM_DISABLE"))
    looked_at = sys.stderr.isatty() or get_ipython() is not None
    return tqdm(total=swept.runs, initial=swept.before, unit="run", disable=quiet or not looked_at)


def _running(runs: Sequence[Combination]) -> str:
    """What runs now, here or elsewhere."""
    locks = {path.stem for path in Path(runs[0].folder).glob("*.lock")}
    return f"running {'; '.join(run.changed or run.name for run in runs if run.name in locks)}"


def _ended(
    runs: Sequence[Combination], runner: Callable, executor: Executor, bar: tqdm
) -> Iterator[tuple[Combination, str]]:
    """Each run as it ends, with its error; empty where it has finished."""
    futures = {executor.submit(runner, run): run for run in runs}
    elsewhere: list[Combination] = []
    try:
        while futures or elsewhere:
            if not bar.disable:
                bar.set_postfix_str(_running(runs))
            if not futures:
                time.sleep(LOOK)
            for future in wait(futures, LOOK, FIRST_COMPLETED).done if futures else ():
                run = futures.pop(future)
                try:
                    outcome = future.result()
                    yield run, outcome["error"] if outcome["state"] == FAILED else ""
                except Busy:
                    elsewhere.append(run)
                except CancelledError:
                    yield run, "not run: the scheduler is gone"
                except Exception as error:  # whatever a worker's process may end with
                    yield run, f"{type(error).__name__}: {error}"
            for run in [each for each in elsewhere if not lives(each.lock)]:
                elsewhere.remove(run)
                futures[executor.submit(runner, run)] = run
    except BaseException:
        for future in futures:
            future.cancel()
        while any(future.running() for future in futures) and isinstance(executor, ThreadPoolExecutor):
            stop_processes()
            time.sleep(0.1)
        raise


@contextlib.contextmanager
def _executor(jobs: int, dask: str | None) -> Iterator[Executor]:
    """Threads, each of which watches a process; or the workers of a scheduler."""
    if dask is None:
        with ThreadPoolExecutor(jobs) as threads:
            yield threads
        return
    from distributed import Client

    try:
        client = Client(dask, timeout=20, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"dask: no scheduler at {dask}: {error}") from None
    with client:
        yield client.get_executor(pure=False)


def _run(chapter: Chapter, values: Mapping[str, object], folder: Path, git: Mapping, code: str) -> Combination:
    defaults = {name: recordable(p.default) for name, p in chapter.parameters.items()}
    whole = {name: recordable(value) for name, value in (defaults | dict(values)).items() if name != STORE}
    changed = (f"{name}={_word(value)}" for name, value in whole.items() if value != defaults[name])
    used = digest(code, json.dumps([stamp(path) for path in files_named(whole, chapter.path.parent)]))
    return Combination(str(chapter.path), dict(values), whole, ", ".join(changed), used, dict(git), str(folder))


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
