"""What importing and using the package does to the process, its forked children and its other threads."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

SECONDS = 120  # a call that takes longer hangs

PREAMBLE = """
    import os, sys, tempfile, threading, time

    import numpy as np
    import torch

    torch.set_num_threads(4)
    import skser

    def exit_code(function):
        child = os.fork()
        if not child:
            code = 1
            try:
                code = 0 if function() is not False else 2
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    rng = np.random.default_rng(0)
    X = skser.Spectrograms([rng.normal(loc=n % 2, size=(64, 400)) for n in range(24)])
    y = ["calm", "angry"] * 12
    classifier = skser.CenterLossClassifier(max_epochs=1, random_state=0)
"""


def run(code: str) -> None:
    """Run code in a new interpreter, which a deadlock would take along; fail unless it exits with 0."""
    program = textwrap.dedent(PREAMBLE) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr


def test_import_leaves_the_threads_of_a_forked_child_alone():
    run("sys.exit(exit_code(lambda: torch.get_num_threads() == 4))")


def test_work_in_a_forked_child_uses_one_thread_and_leaves_the_parent_alone():
    run("""
    def child():
        classifier.fit(X, y).predict(X)
        skser.spectrogram(rng.normal(size=160000))
        return torch.get_num_threads() == 1

    code = exit_code(child)
    sys.exit(code if torch.get_num_threads() == 4 else 5)
    """)


CALLS = {
    "fit": "classifier.fit(X, y)",
    "predict": "fitted.predict(X)",
    "transform": "fitted.transform(X)",
    "save_model": "skser.save_model(fitted, path + '.copy')",
    "load_model": "skser.load_model(path)",
    "to_onnx": "skser.to_onnx(fitted, path + '.onnx')",
    "SpectrogramTransformer": "skser.SpectrogramTransformer().transform([waveform])",
    "spectrogram": "skser.power_to_db(skser.mel_spectrogram(waveform))",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_child_forked_while_another_thread_trains_computes(call):
    """The other thread holds locks and uses threads of torch that do not exist in the child."""
    run(f"""
    fitted = skser.CenterLossClassifier(max_epochs=1, random_state=0).fit(X, y)
    waveform = rng.normal(size=160000)
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "model.safetensors")
    skser.save_model(fitted, path)
    skser.SpectrogramTransformer().transform([waveform])  # uses the threads of the parent
    longer = skser.CenterLossClassifier(max_epochs=1000, random_state=0)
    threading.Thread(target=longer.fit, args=(X, y), daemon=True).start()
    time.sleep(1)
    code = exit_code(lambda: {call} is not None or True)
    os._exit(code)
    """)


def test_child_forked_while_another_thread_loads_an_encoder_loads_one():
    run("""
    import signal

    import skser.encoders._source as source

    def load(encoder, device):
        loading.set()
        time.sleep(60)

    def child():
        signal.alarm(20)  # ends a child that waits for the thread of its parent
        source._load = lambda encoder, device: "encoder"
        return source.load_encoder(source.EncoderSource("b", None, True, "b"), cpu) == "encoder"

    loading, cpu, source._load = threading.Event(), torch.device("cpu"), load
    first = source.EncoderSource("a", None, True, "a")
    threading.Thread(target=source.load_encoder, args=(first, cpu), daemon=True).start()
    loading.wait()
    os._exit(abs(exit_code(child)))
    """)


def test_models_are_saved_and_loaded_without_waiting_for_a_training():
    run("""
    from skorch.callbacks import Callback

    training, saved = threading.Event(), threading.Event()

    class WaitForTheOtherThread(Callback):
        def on_epoch_end(self, net, **kwargs):
            training.set()
            if not saved.wait(60):
                os._exit(3)

    fitted = skser.CenterLossClassifier(max_epochs=1, random_state=0).fit(X, y)
    held = skser.CenterLossClassifier(max_epochs=1, callbacks=[WaitForTheOtherThread()])
    trainer = threading.Thread(target=held.fit, args=(X, y))
    trainer.start()
    training.wait()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.safetensors")
        skser.save_model(fitted, path)
        loaded = skser.load_model(path)
    saved.set()
    trainer.join()
    sys.exit(0 if (loaded.predict(X) == fitted.predict(X)).all() else 4)
    """)
