"""The published checkpoints of SAM: found on this machine, or fetched when that is asked for.

The SHA-256 sums are those of the files as their makers publish them; the makers give no sums of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mvtec.cache import cache_folder, find_in, weights_folders
from mvtec.errors import InputError, WeightsError
from mvtec.fetch import fetch

_META = "https://dl.fbaipublicfiles.com/segment_anything"
_MOBILE = "https://github.com/ChaoningZhang/MobileSAM/raw/f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights"


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint, Apache-2.0 all of them.

    Attributes:
        file: Its name.
        folder: The address it lies under.
        sha256: Of its bytes.
        megabytes: Its size.
    """

    file: str
    folder: str
    sha256: str
    megabytes: int


# From the smallest to the largest, which is also the order `auto` looks for them in.
CHECKPOINTS = {
    "mobile_sam": Checkpoint(
        "mobile_sam.pt", _MOBILE, "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f", 41
    ),
    "vit_b": Checkpoint(
        "sam_vit_b_01ec64.pth", _META, "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", 375
    ),
    "vit_l": Checkpoint(
        "sam_vit_l_0b3195.pth", _META, "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", 1249
    ),
    "vit_h": Checkpoint(
        "sam_vit_h_4b8939.pth", _META, "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", 2565
    ),
}


def find_checkpoint(model: str = "auto", weights: Path | None = None) -> Path:
    """The checkpoint to use.

    Args:
        model: A name of `CHECKPOINTS`; `auto` takes the first of them that is here.
        weights: A checkpoint, or a run of `mvtec segment finetune`; then `model` is not looked at.

    Raises:
        InputError: There is no model of that name.
        WeightsError: The checkpoint is not on this machine.
    """
    if weights is not None:
        path = weights / "weights" / "sam.pt" if weights.is_dir() else weights
        if not path.is_file():
            if (weights / "plan.json").is_file() and not (weights / "run.json").is_file():
                raise WeightsError(weights, "is an unfinished run", "Go on with it first, with --resume")
            raise WeightsError(weights, "is no checkpoint and no run", "Give a .pt or .pth file, or a finetune run")
        return path
    if model not in ("auto", *CHECKPOINTS):
        raise InputError("--model", f"there is no model {model}", f"Give one of auto, {', '.join(CHECKPOINTS)}")
    wanted = list(CHECKPOINTS) if model == "auto" else [model]
    for name in wanted:
        if (found := find_in(weights_folders(), CHECKPOINTS[name].file)) is not None:
            return found
    first = CHECKPOINTS[wanted[0]].file
    raise WeightsError(
        first,
        f"is not in {' or '.join(map(str, weights_folders()))}",
        f"Put it there, give --weights FILE, or fetch it: mvtec segment weights {wanted[0]}",
    )


def fetch_checkpoint(model: str, on_bytes: Callable[[int, int | None], None] = lambda _done, _total: None) -> Path:
    """Download a checkpoint into our cache, unless it is there; its checksum is checked.

    Raises:
        InputError: There is no model of that name, or what is served is not the file.
        OutputError: The disk is full or not writable.
    """
    checkpoint = CHECKPOINTS.get(model)
    if checkpoint is None:
        raise InputError(
            "mvtec segment weights", f"there is no checkpoint {model}", f"Give one of {', '.join(CHECKPOINTS)}"
        )
    target = cache_folder() / "weights" / checkpoint.file
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        fetch(f"{checkpoint.folder}/{checkpoint.file}", target, sha256=checkpoint.sha256, on_bytes=on_bytes)
    return target
