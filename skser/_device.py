"""Where to compute: devices as parameters name them, and arithmetic that a GPU repeats bit for bit."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ._validation import warn_caller

# Types of numbers in which the convolutions can compute.
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def resolve_device(device: str | torch.device) -> torch.device:
    """Find the torch device that is meant, and check that it is there.

    Parameters
    ----------
    device : str or torch.device
        A device, or "auto" for a CUDA device if there is one and otherwise the CPU.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        If torch does not know the device or sees no GPU where one is asked for.

    Warns
    -----
    UserWarning
        If "auto" finds a GPU from a worker process to which none was assigned.
    """
    if device == "auto":
        return _find_device()
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f'device must be "auto" or a device that torch knows, such as "cpu" or "cuda:0", got {device!r}.'
        ) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f'device={device!r} needs a GPU, which torch does not see: set device="auto" or "cpu".'
        )
    try:
        torch.empty(1, device=found).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f'device={device!r} cannot compute here ({error}): set device="auto" or "cpu".'
        ) from error
    return found


def _find_device() -> torch.device:
    """Take a GPU if there is one; what torch asks the driver here takes no memory of it."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if multiprocessing.parent_process() is not None and "CUDA_VISIBLE_DEVICES" not in os.environ:
        warn_caller(
            'device="auto" takes the same GPU in each worker process, with memory for each: set "cuda" if it '
            'has room for all of them, "cpu" if not, or CUDA_VISIBLE_DEVICES for each worker.'
        )
    return torch.device("cuda")


def check_acceleration(device: torch.device, precision: str) -> None:
    """Raise unless a device computes in a type of numbers, and is the faster for it.

    On CPUs bfloat16 was measured to make a training slower, so that asking for it is an error there: most
    often the GPU that was meant is not seen.

    Parameters
    ----------
    device : torch.device
        Where a net is to compute.
    precision : {"float32", "bfloat16"}
        Type of the numbers in the convolutions.

    Raises
    ------
    ValueError
        If the device is no GPU or does not know the type of numbers.

    Examples
    --------
    >>> import torch
    >>> from skser._device import check_acceleration
    >>> check_acceleration(torch.device("cpu"), "float32")
    """
    if precision == "float32":
        return
    if device.type != "cuda":
        raise ValueError(
            f'precision="{precision}" needs a GPU and the device is {str(device)!r}, where it would make '
            'training slower: set precision="float32", or run where torch sees a GPU.'
        )
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        name = torch.cuda.get_device_name(device)
        raise ValueError(
            f'precision="{precision}" is nothing that {name} computes in: set precision="float32".'
        )


class _SteadyFlags:
    """cuDNN's settings while something computes, shared by all threads that do.

    torch has them once a process: the first to enter sets them and the last to leave gives them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: tuple[Any, ...] = ()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = self._read()
                self._write(True, False, "ieee", "ieee", "ieee")

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._write(*self._before)

    @staticmethod
    def _read() -> tuple[Any, ...]:
        cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        return (
            cudnn.deterministic,
            cudnn.benchmark,
            cudnn.conv.fp32_precision,  # type: ignore[attr-defined]  # missing in torch's stubs
            cudnn.rnn.fp32_precision,  # type: ignore[attr-defined]
            matmul.fp32_precision,
        )

    @staticmethod
    def _write(deterministic: bool, benchmark: bool, conv: str, rnn: str, product: str) -> None:
        cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        cudnn.deterministic, cudnn.benchmark = deterministic, benchmark
        cudnn.conv.fp32_precision = conv  # type: ignore[attr-defined]
        cudnn.rnn.fp32_precision = rnn  # type: ignore[attr-defined]
        matmul.fp32_precision = product


_STEADY = _SteadyFlags()


def moved(values: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """Bring numbers from the CPU to where a batch is, without waiting for it.

    Parameters
    ----------
    values : torch.Tensor
        Numbers, most likely on the CPU.
    batch : torch.Tensor
        What they are needed for.

    Returns
    -------
    torch.Tensor
        The numbers on the device of the batch.
    """
    if batch.is_cuda and not values.is_cuda:
        values = values.pin_memory()  # for a copy from any other memory the host may have to wait
    return values.to(batch.device, non_blocking=True)


@contextmanager
def steady_arithmetic(device: torch.device) -> Iterator[None]:
    """Compute float32 as float32 on a GPU, by algorithms that add in one order.

    torch otherwise rounds the factors of convolutions and recurrent layers to TensorFloat-32, ten bits
    after the point, and may choose algorithms whose sums depend on which thread comes first.

    Parameters
    ----------
    device : torch.device
        Where to compute; there is nothing to do on a CPU.

    Yields
    ------
    None
        While it holds.
    """
    if device.type != "cuda":
        yield
        return
    _STEADY.enter()
    try:
        yield
    finally:
        _STEADY.leave()
