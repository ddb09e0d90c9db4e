"""Every Python block of the README and of the manual runs, and every command line that they show is valid.

A block runs unchanged, after the earlier blocks of its page, in a folder that holds the recordings which the
pages name: corpora in path/to, a user's folder of recordings, and single files. Only the training is
smaller, by smaller defaults of the estimator and of the synthetic corpus.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import tomllib
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import sklearn
import soundfile
import torch
from joblib import parallel_config

from skser import CenterLossClassifier, SpectrogramNetwork, load_model
from skser.datasets import make_emotional_speech

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
NOT_PAGES = {"_build", "generated", "templates"}
PAGES = [
    REPOSITORY / "README.md",
    *sorted(path for path in DOCS.rglob("*.rst") if not NOT_PAGES & set(path.relative_to(DOCS).parts)),
]

# Reasons of the blocks that no test can run, by page. A further skipped block must be entered here.
SKIPPED: dict[str, list[str]] = {
    "docs/user_guide/clusters.rst": ["needs a cluster"],
    "docs/user_guide/probabilities.rst": ["needs scikit-learn 1.8"] * 2,  # run by tests/test_calibration.py
    "docs/user_guide/speech_encoders.rst": ["needs a network"],
}


class Block(NamedTuple):
    """A Python block of a page."""

    line: int  # of its first line of code, from 1
    code: str
    reason: str | None = None  # why it is skipped


class Syntax(NamedTuple):
    """The markers of blocks in a kind of page."""

    begins: re.Pattern[str]
    skip: re.Pattern[str]


MARKDOWN = Syntax(re.compile(r"```python$"), re.compile(r"<!-- skip: (.+) -->$"))
RST = Syntax(re.compile(r"\s*\.\. code-block:: python$"), re.compile(r"\s*\.\. skip: (.+)$"))


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def blocks_of(text: str, syntax: Syntax) -> list[Block]:
    """Python blocks of a page, each with the reason given by a skip marker on the line above it."""
    lines, blocks = text.splitlines(), []
    for number, line in enumerate(lines):
        if syntax.begins.match(line):
            above = next((above for above in reversed(lines[:number]) if above.strip()), "")
            marker = syntax.skip.match(above)
            read = fenced if syntax is MARKDOWN else indented
            code = read(lines, number)
            blocks.append(Block(number + 2, code, marker[1] if marker else None))
    return blocks


def fenced(lines: list[str], number: int) -> str:
    """Lines up to the closing fence."""
    return "\n".join(lines[number + 1 : lines.index("```", number)])


def indented(lines: list[str], number: int) -> str:
    """Lines that are indented more than the directive, without the indentation."""
    margin = len(lines[number]) - len(lines[number].lstrip()) + 3
    body = []
    for line in lines[number + 1 :]:
        if line.strip() and not line.startswith(" " * margin):
            break
        body.append(line[margin:])
    return "\n".join(body)


def blocks_of_page(page: Path) -> list[Block]:
    return blocks_of(page.read_text(encoding="utf-8"), MARKDOWN if page.suffix == ".md" else RST)


def run_blocks(blocks: list[Block], name: str) -> dict[str, Any]:
    """Run the blocks in one namespace; a traceback names the page and its line."""
    namespace: dict[str, Any] = {"__name__": "manual"}
    for block in blocks:
        if block.reason is None:
            code = compile("\n" * (block.line - 1) + block.code, name, "exec")
            exec(code, namespace)
    return namespace


# One recording of each further corpus is enough for its loader, which warns.
OTHER_CORPORA = (
    "iemocap/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav",
    "emodb/wav/03a01Wa.wav",
    "crema-d/AudioWAV/1001_IEO_ANG_HI.wav",
    "savee/AudioData/DC/a01.wav",
    "tess/OAF_back_ps.wav",
    "nemo/samples/WR0_anger_1.wav",
)


def write_recording(path: Path, seed: int) -> None:
    """Write a third of a second of a tone in noise."""
    rng = np.random.default_rng(seed)
    y = 0.1 * np.sin(2 * np.pi * rng.uniform(100, 400) * np.arange(5000) / 16000) + 0.01 * rng.normal(
        size=5000
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y, 16000)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """A working folder with corpora, a user's recordings and single files."""
    work = tmp_path_factory.mktemp("work")
    ravdess = work / "path" / "to" / "ravdess"
    for actor in range(1, 7):
        for emotion in range(1, 9):
            name = f"03-01-{emotion:02}-01-01-01-{actor:02}.wav"
            write_recording(ravdess / f"Actor_{actor:02}" / name, 10 * actor + emotion)
    for name in OTHER_CORPORA:
        write_recording(ravdess.parent / name, len(name))
    evaluation = ravdess.parent / "iemocap/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    evaluation.parent.mkdir(parents=True)
    evaluation.write_text("[6.29 - 8.24]\tSes01F_impro01_M000\thap\t[4.0, 3.5, 3.0]\n")
    rows = ["file,speaker"]
    for speaker in ("anna", "ben", "eve", "ian"):
        for label in ("angry", "neutral", "sad"):
            for take in range(3):
                file = f"{label}/{speaker}_{take:02}.wav"
                write_recording(work / "recordings" / file, len(rows))
                rows.append(f"{file},{speaker}")
    (work / "recordings" / "speakers.csv").write_text("\n".join(rows))
    for name in ("new.wav", "one.wav", "another.flac"):
        write_recording(work / name, 0)
    return work


@pytest.fixture
def reader(recordings, tmp_path, monkeypatch):
    """Work in a copy of the recordings, with small defaults, and restore every setting afterwards."""
    plt = pytest.importorskip("matplotlib.pyplot")
    work = tmp_path / "work"
    shutil.copytree(recordings, work)
    monkeypatch.chdir(work)
    monkeypatch.setenv("SKSER_DATA", str(work / "path" / "to"))  # nothing is downloaded
    monkeypatch.setitem(CenterLossClassifier.__init__.__kwdefaults__, "max_epochs", 1)
    for name, value in {"channels": (4, 4, 4, 4), "rnn_units": 4}.items():
        for owner in (CenterLossClassifier, SpectrogramNetwork):
            monkeypatch.setitem(owner.__init__.__kwdefaults__, name, value)
    monkeypatch.setattr(make_emotional_speech, "__defaults__", (8, 2))
    monkeypatch.setitem(make_emotional_speech.__kwdefaults__, "duration", 0.5)
    backend, n_threads = plt.get_backend(), torch.get_num_threads()
    plt.switch_backend("agg")
    # Threads instead of processes, each of which would import torch again.
    with sklearn.config_context(), parallel_config(backend="threading"):
        yield work
    plt.close("all")
    plt.switch_backend(backend)
    torch.set_num_threads(n_threads)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of_page(page)], ids=name_of)
def test_every_block_of_the_page_runs_without_a_warning(page, reader):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run_blocks(blocks_of_page(page), name_of(page))
    messages = [str(warning.message) for warning in caught if warning.filename == name_of(page)]
    # The corpora above are incomplete, and their loaders warn about that.
    assert [message for message in messages if "is not as published" not in message] == []


def test_folder_of_recordings_becomes_table_figure_and_model_in_15_lines(reader, capsys):
    page = DOCS / "getting_started.rst"
    (block,) = (block for block in blocks_of_page(page) if "save_model" in block.code)
    assert len(block.code.strip().splitlines()) <= 15
    run_blocks([block], name_of(page))
    table = capsys.readouterr().out
    assert re.search(r"^pooled .* \d+\.\d", table, flags=re.MULTILINE)
    assert (reader / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert load_model("emotions.safetensors").predict(["one.wav"])[0] in {"angry", "neutral", "sad"}


def test_blocks_of_a_page_share_their_names(reader):
    text = ".. code-block:: python\n\n   a = 1\n\nText.\n\n.. code-block:: python\n\n   b = a + 1\n"
    assert run_blocks(blocks_of(text, RST), "page")["b"] == 2


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("Text.\n\n```python\nfrom skser import a_name_that_is_wrong\n```\n", MARKDOWN),
        ("Text.\n\n.. code-block:: python\n\n   from skser import a_name_that_is_wrong\n\nText.\n", RST),
    ],
    ids=["markdown", "rst"],
)
def test_wrong_name_in_a_block_fails(text, syntax):
    with pytest.raises(ImportError, match="a_name_that_is_wrong"):
        run_blocks(blocks_of(text, syntax), "page")


def test_traceback_names_page_and_line():
    with pytest.raises(ZeroDivisionError) as caught:
        run_blocks(blocks_of("Text.\n\n.. code-block:: python\n\n   a = 1\n   a / 0\n", RST), "docs/page.rst")
    last = traceback.extract_tb(caught.tb)[-1]
    assert (last.filename, last.lineno) == ("docs/page.rst", 6)


def test_block_in_a_list_is_found_and_ends_with_its_indentation():
    text = "- item\n\n  .. code-block:: python\n\n     if True:\n         a = 1\n\n  more text\n"
    assert [(block.line, block.code.strip()) for block in blocks_of(text, RST)] == [
        (4, "if True:\n    a = 1")
    ]


def test_marker_skips_only_the_block_below_it():
    text = "<!-- skip: no network -->\n```python\n1 / 0\n```\n\n```python\nran = True\n```\n"
    blocks = blocks_of(text, MARKDOWN)
    assert [block.reason for block in blocks] == ["no network", None]
    assert run_blocks(blocks, "page")["ran"]


def test_skipped_blocks_are_the_known_ones():
    found = {
        name_of(page): [block.reason for block in blocks_of_page(page) if block.reason] for page in PAGES
    }
    assert {name: reasons for name, reasons in found.items() if reasons} == SKIPPED


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_shows_code_only_in_forms_that_are_tested(page):
    text = page.read_text(encoding="utf-8")
    mentions = len(re.findall(r"```python|code-block:: python", text))
    assert mentions == len(blocks_of_page(page))
    if page.suffix == ".rst":  # other ways to show code: literal blocks, doctests, further directives
        languages = set(re.findall(r"^\s*\.\. code-block::(.*)$", text, flags=re.MULTILINE))
        assert languages <= {" python", " console", " text"}
        assert not re.findall(
            r"^\s*(?:>>> |\.\. (?:code|sourcecode|ipython|plot)::)|^(?!\.\. ).*::$", text, re.MULTILINE
        )
    else:
        assert set(re.findall(r"^```(.*)$", text, flags=re.MULTILINE)) <= {"python", ""}


def test_pages_with_blocks_are_found():
    counts = Counter({name_of(page): len(blocks_of_page(page)) for page in PAGES})
    assert counts["README.md"] >= 1
    assert counts.total() >= 25


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_imports_only_documented_modules_of_the_package(page):
    code = "\n".join(block.code for block in blocks_of_page(page))
    modules = {name for name in re.findall(r"\b(?:from|import) (\S+)", code) if name.startswith("skser")}
    assert modules <= {"skser", "skser.datasets", "skser.metrics", "skser.nn"}


@pytest.mark.parametrize("page", [page for page in PAGES if page.suffix == ".rst"], ids=name_of)
def test_only_the_page_for_developers_names_the_folder_of_the_tests_corpora(page):
    assert ("../shared" in page.read_text(encoding="utf-8")) == (page.stem == "developers")


def test_figures_at_the_top_of_a_page_are_those_of_its_tables():
    results = REPOSITORY / "benchmarks" / "results"
    opening = {page.stem: page.read_text(encoding="utf-8").split("\n\n")[1] for page in PAGES[1:]}
    speed = pd.read_csv(results / "speed.csv", index_col="row").ratio
    assert {f"{speed[row]:.2f}" for row in ("features-librosa", "fit-default")} <= figures(opening["speed"])
    recipe = pd.read_csv(results / "recipe_summary.csv", index_col=["trial", "device"]).UA
    assert {f"{recipe[row, 'CPU']:.1f}" for row in ("augmented", "plain")} <= figures(opening["trials"])
    shared = pd.read_csv(results / "center_loss_published" / "published_gain.csv")
    apart = results / "center_loss_apart"
    published = pd.read_csv(apart / "published_pooled.csv")
    pooled = [pd.read_csv(apart / f"{name}pooled.csv").iloc[-1] for name in ("", "stft_")]
    for row in [*shared[shared.score == "UA"].itertuples(), *published.itertuples(), *pooled]:
        assert {f"{row.gain:.1f}", f"{row.low:+.1f}", f"{row.high:+.1f}"} <= figures(opening["gain"])


def test_page_on_the_gain_has_the_accuracies_that_are_kept():
    text = (DOCS / "user_guide" / "gain.rst").read_text(encoding="utf-8")
    accuracy = pd.read_csv(REPOSITORY / "benchmarks" / "results" / "center_loss_gain" / "accuracy.csv")
    shown = re.findall(r'^   "\S.*", (\d+\.\d), (\d+\.\d)$', text, flags=re.MULTILINE)
    kept = accuracy[accuracy.features != "majority class"][["UA", "WA"]]
    assert [[float(value) for value in row] for row in shown] == kept.to_numpy().tolist()


def figures(text: str) -> set[str]:
    """Decimal numbers of a text, with their signs."""
    return set(re.findall(r"[+-]?\d+\.\d+", text))


def gallery() -> Any:
    """Settings of the gallery, docs/extensions/gallery.py."""
    return module_of(DOCS / "extensions" / "gallery.py")


def module_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts() -> list[str]:
    """Texts that show command lines: the pages and the examples of the gallery."""
    scripts = [REPOSITORY / "examples" / f"{name}.py" for name in gallery().SCRIPTS]
    return [path.read_text(encoding="utf-8") for path in (*PAGES, *scripts)]


def commands() -> list[tuple[str, str]]:
    """Pairs of script and arguments of every example call that a text shows."""
    found = re.findall(r"python (?:-m )?examples/(\w+)\.py([^`\n|]*)", "\n".join(texts()))
    return sorted(set(found))


@pytest.mark.parametrize(("script", "arguments"), commands())
def test_shown_command_line_is_accepted_by_its_script(script, arguments, monkeypatch):
    path = REPOSITORY / "examples" / f"{script}.py"
    assert path.is_file()
    if script in gallery().SCRIPTS:
        monkeypatch.setattr("sys.argv", [str(path), *shlex.split(arguments)])
        module_of(path).parse_arguments()


def test_shown_command_lines_are_found():
    assert {script for script, _ in commands()} >= set(gallery().SCRIPTS)


@pytest.mark.parametrize("script", gallery().SCRIPTS)
def test_example_of_the_gallery_names_its_command_line(script):
    path = REPOSITORY / "examples" / f"{script}.py"
    title, underline, *_ = module_of(path).__doc__.splitlines()
    assert underline == "=" * len(title)
    assert f"This page shows the output of ``python examples/{script}.py" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("script", gallery().SCRIPTS)
def test_example_of_the_gallery_prints_and_leaves_a_figure_to_show(script, reader, monkeypatch, capsys):
    import matplotlib.pyplot as plt

    path = REPOSITORY / "examples" / f"{script}.py"
    shown = gallery().arguments({}, {"src_file": str(path)})
    monkeypatch.setattr("sys.argv", [str(path), *shown, "--max-epochs", "1"])
    module_of(path).main()
    output = capsys.readouterr().out
    assert output
    if script != "center_loss":  # it prints distances
        assert "UA" in output
        assert "WA" in output
    assert plt.get_fignums()


def test_gallery_runs_an_example_with_the_arguments_on_its_page(tmp_path):
    script = tmp_path / "a.py"
    script.write_text(
        '"""Title\n=====\n\nThis page shows the output of ``python examples/a.py --folds 2`` prints.\n"""\n'
    )
    assert gallery().arguments({}, {"src_file": str(script)}) == ["--folds", "2"]


def test_shown_make_targets_and_extras_exist():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = "\n".join(texts())
    shown = set(re.findall(r"^\s+(?:\$ )?make ([a-z]+)", text, flags=re.MULTILINE))
    assert {"demo", "test"} <= shown <= targets
    extras = {extra for found in re.findall(r"(?:skser|\.)\[([a-z,]+)\]", text) for extra in found.split(",")}
    assert extras <= set(project["optional-dependencies"])
