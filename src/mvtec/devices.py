"""Where a model computes."""

from __future__ import annotations

from mvtec.errors import InputError


def choose_device(device: str) -> str:
    """`auto` becomes the number of the first GPU, Apple's `mps`, or `cpu`.

    Asking sets nothing; Ultralytics' `select_device`, asked for the CPU, hides every GPU from the process.

    Args:
        device: `auto`, `cpu`, `mps`, or the number of one GPU.

    Raises:
        InputError: There is no such device.
    """
    import torch

    device, gpus = device.strip().lower(), [str(number) for number in range(torch.cuda.device_count())]
    known = [*gpus, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]
    if device == "auto":
        return known[0]
    if "," in device:  # with several, Ultralytics would begin processes of its own, and remove the run's folder first
        raise InputError("--device", f"{device} are several", "Give the number of one GPU, or auto")
    if device not in known:
        raise InputError("--device", f"there is no device {device}", f"Give one of {', '.join(['auto', *known])}")
    return device


def device_name(device: str) -> str:
    """What computes, as its maker calls it: results of one kind of GPU differ from those of another in the last digits.

    Args:
        device: As `choose_device` returns it.
    """
    import torch

    return torch.cuda.get_device_name(int(device)) if device.isdigit() else device
