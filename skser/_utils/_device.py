"""Choice of the device, and torch's settings during computation."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

from ._validation import warn_caller

# Data types of the convolutions.
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def resolve_device(device: str | torch.device) -> torch.device:
    """Convert the parameter `device` to a torch device that is available."""
    if device == "auto":
        return _find_device()
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f'device must be "auto" or a device that torch knows, such as "cpu" or "cuda:0", got {device!r}.'
        ) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f'device={device!r} needs a GPU, but torch finds none: set device="auto" or "cpu".')
    try:
        torch.empty(1, device=found).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f'device={device!r} cannot compute here ({error}): set device="auto" or "cpu".'
        ) from error
    return found


def _find_device() -> torch.device:
    """Choose a GPU if there is one. Querying the driver here allocates no GPU memory."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if multiprocessing.parent_process() is not None and "CUDA_VISIBLE_DEVICES" not in os.environ:
        warn_caller(
            'device="auto" uses the same GPU in every worker process, and each takes memory there: set '
            '"cuda" if it has room for all of them, "cpu" if not, or CUDA_VISIBLE_DEVICES for each worker.'
        )
    return torch.device("cuda")


def check_acceleration(device: torch.device, precision: str) -> None:
    """Raise unless a device supports this data type and is faster with it than with float32."""
    # bfloat16 makes training on a CPU slower (measured). Requesting it there is an error, because it usually
    # means that torch does not find the GPU that the user expects.
    if precision == "float32":
        return
    if device.type != "cuda":
        raise ValueError(
            f'precision="{precision}" needs a GPU and makes training slower on the device '
            f'{str(device)!r}: set precision="float32", or run on a machine where torch finds a GPU.'
        )
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        name = torch.cuda.get_device_name(device)
        raise ValueError(f'precision="{precision}" is not supported by {name}: set precision="float32".')


@dataclass
class _Users:
    """Threads of one process that need the same settings, and the settings before the first of them."""

    lock: Any = field(default_factory=threading.Lock)
    count: int = 0
    before: tuple[Any, ...] = ()


class _SharedSettings:
    """Settings of the process, made by the first thread that needs them and restored by the last."""

    def __init__(
        self, read: Callable[[], tuple[Any, ...]], write: Callable[..., None], per_thread: bool = False
    ) -> None:
        self._read, self._write = read, write
        self._per_thread = per_thread  # whether each thread must also make and restore them for itself
        # By process: after a fork, the lock may be held by a thread that the child does not have.
        self._users: dict[int, _Users] = {}

    @contextmanager
    def held(self, *values: Any) -> Iterator[None]:
        users = self._users.setdefault(os.getpid(), _Users())
        with users.lock:
            users.count += 1
            found = self._read()
            if users.count == 1:
                users.before = found
            if users.count == 1 or self._per_thread:
                self._write(*values)
        try:
            yield
        finally:
            with users.lock:
                users.count -= 1
                if self._per_thread:
                    self._write(*(users.before if found == values else found))
                elif not users.count:
                    self._write(*users.before)


def _read_flags() -> tuple[Any, ...]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return (
        cudnn.deterministic,
        cudnn.benchmark,
        cudnn.conv.fp32_precision,  # type: ignore[attr-defined]  # missing in torch's stubs
        cudnn.rnn.fp32_precision,  # type: ignore[attr-defined]
        matmul.fp32_precision,
    )


def _write_flags(deterministic: bool, benchmark: bool, conv: str, rnn: str, product: str) -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    cudnn.deterministic, cudnn.benchmark = deterministic, benchmark
    cudnn.conv.fp32_precision = conv  # type: ignore[attr-defined]
    cudnn.rnn.fp32_precision = rnn  # type: ignore[attr-defined]
    matmul.fp32_precision = product


_GPU_FLAGS = _SharedSettings(_read_flags, _write_flags)
_DEFAULT_DTYPE = _SharedSettings(lambda: (torch.get_default_dtype(),), torch.set_default_dtype)
# torch has a number for each thread, which a new thread takes, when it first reads it, from the last number
# that any thread has set. A thread that only sets it would lose it at its first computation.
_N_THREADS = _SharedSettings(lambda: (torch.get_num_threads(),), torch.set_num_threads, per_thread=True)
_IMPORTED_IN = os.getpid()


def to_device(values: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """Copy numbers from the CPU to the device of a batch, without waiting for the device."""
    if batch.is_cuda and not values.is_cuda:
        values = values.pin_memory()  # the CPU may have to wait for a copy from other memory
    return values.to(batch.device, non_blocking=True)


@contextmanager
def torch_settings(device: torch.device) -> Iterator[None]:
    """Make torch's arithmetic repeatable and exact, and keep it from hanging in a forked process."""
    if device.type != "cuda" and os.getpid() != _IMPORTED_IN and torch.get_num_threads() > 1:
        # The OpenMP threads of torch do not survive a fork, and a parallel loop would wait for them forever.
        # The number is not restored: with more threads, the next parallel loop of this process would hang.
        torch.set_num_threads(1)
    with _without_autocast(device.type), _repeatable(device.type):
        yield


def _without_autocast(kind: str) -> AbstractContextManager[Any]:
    """Switch off the autocast of a caller, which would round to 16 bits."""
    enabled = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if enabled else nullcontext()


def _repeatable(kind: str) -> AbstractContextManager[None]:
    """Set the flags of a GPU."""
    # By default torch rounds the factors of convolutions and recurrent layers to TensorFloat-32 (10-bit
    # mantissa), and may choose algorithms whose sums depend on the order of the threads.
    return _GPU_FLAGS.held(True, False, "ieee", "ieee", "ieee") if kind == "cuda" else nullcontext()


def one_thread(device: torch.device) -> AbstractContextManager[None]:
    """Compute with one thread on a CPU, so that sums do not depend on the number of workers."""
    return _N_THREADS.held(1) if device.type == "cpu" else nullcontext()


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Let torch make float32 tensors on the CPU that can be trained, whatever the caller has set."""
    # A default device slows each operation down, so it is set only if the caller's is another one.
    on_cpu = nullcontext() if torch.get_default_device().type == "cpu" else torch.device("cpu")
    with on_cpu, torch.inference_mode(False), _DEFAULT_DTYPE.held(torch.float32):
        yield
