"""Says what a checkpoint of PyTorch would name and call when it is loaded, without loading it.

A checkpoint is a pickle: a list of instructions. GLOBAL names a class or a function, NEWOBJ makes an empty object of a
class, REDUCE calls what was named. A saved network names classes and makes empty objects of them; only tensors and
plain values are made by calls. `torch.load(weights_only=True)` calls each class that it knows, with any arguments, and
the constructor of a network may open a file or an address.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

_ZIP = b"PK\x03\x04"
_BEFORE_1_6 = 4  # pickles in a row, in the format before PyTorch 1.6: magic number, protocol, system, content
_WORDS = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}


@dataclass(frozen=True)
class Pickled:
    """What a pickle does when it is loaded.

    Attributes:
        named: The classes and functions that it names, as `module.name`.
        called: Those of them that it calls; `?` where it calls something else.
    """

    named: frozenset[str]
    called: frozenset[str]


def scan_checkpoint(path: Path) -> Pickled:
    """What a file that `torch.save` wrote does when it is loaded.

    Raises:
        ValueError: It is cut off, or not such a file.
        OSError: It cannot be read.
    """
    import torch

    named: set[str] = set()
    called: set[str] = set()
    try:
        with path.open("rb") as stream:
            if stream.read(len(_ZIP)) == _ZIP:
                # the reader of torch.load: another one may find another file of that name in the archive
                record = torch._C.PyTorchFileReader(str(path)).get_record("data.pkl")
                _scan(BytesIO(record), named, called)
            else:
                stream.seek(0)
                for _ in range(_BEFORE_1_6):
                    _scan(stream, named, called)
    except (RuntimeError, IndexError, KeyError) as error:
        raise ValueError(str(error).split("\n")[0]) from error
    return Pickled(frozenset(named), frozenset(called))


def _scan(stream: BinaryIO, named: set[str], called: set[str]) -> None:
    """Follow the instructions of one pickle; on the stack stand names, texts and marks, and None for all else."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in {"GLOBAL", "INST"}:
            name = str(argument).replace(" ", ".")
            named.add(name)
            if opcode.name == "INST":
                called.add(name)
                _pop(stack, opcode.stack_before)
                name = ""
            stack.append(_Name(name))
        elif opcode.name == "STACK_GLOBAL":
            name = ".".join(str(part) for part in stack[-2:])
            named.add(name)
            stack[-2:] = [_Name(name)]
        elif opcode.name == "REDUCE":
            function = stack[-2]
            called.add(function if isinstance(function, _Name) else "?")
            stack[-2:] = [None]
        elif opcode.name in {"PUT", "BINPUT", "LONG_BINPUT"}:
            memo[argument] = stack[-1]
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif opcode.name in {"GET", "BINGET", "LONG_BINGET"}:
            stack.append(memo[argument])
        elif opcode.name == "DUP":
            stack.append(stack[-1])
        else:
            _pop(stack, opcode.stack_before)
            for after in opcode.stack_after:
                is_mark = after is pickletools.markobject
                stack.append(after if is_mark else argument if opcode.name in _WORDS else None)


class _Name(str):
    """What an instruction has named, not a text of the pickle."""


def _pop(stack: list[Any], before: list[Any]) -> None:
    """Take from the stack what an instruction takes."""
    for what in reversed(before):
        if what is pickletools.stackslice:
            while stack[-1] is not pickletools.markobject:
                stack.pop()
        else:
            stack.pop()
