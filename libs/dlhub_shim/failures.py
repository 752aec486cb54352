"""Failures as texts: what a person needs to see of an exception that stays behind in this process."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from dlhub_shim.complaints import InputMismatch
from proto_msgs import worker

_MAX_MESSAGE_CHARACTERS = 8 * 1024
_MAX_TRACEBACK_CHARACTERS = 32 * 1024
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_OUR_FOLDER = str(Path(__file__).parent)


def of_run(error: BaseException) -> worker.Failure:
    """The failure of a run whose model raised, `sys.exit` included."""
    kind = type(error).__name__
    message = f"the model called sys.exit({error})" if isinstance(error, SystemExit) else _text_of(error)
    code = worker.INPUT_MISMATCH if isinstance(error, InputMismatch) else worker.SERVABLE_FAILED
    return _failure(code, message or kind, error)


def of_interruption(code: str) -> worker.Failure:
    """The failure of a run that was ended, or not begun, from outside."""
    texts = {
        worker.CANCELLED: "the run was cancelled",
        worker.DEADLINE_EXCEEDED: "the deadline passed before the run was done",
    }
    return worker.failure(code, texts[code])


def of_output(error: Exception) -> worker.Failure:
    """The failure of a run whose output no message can carry; the message names its path."""
    message = _sound(shortened(_text_of(error), _MAX_MESSAGE_CHARACTERS))
    return worker.failure(worker.OUTPUT_UNENCODABLE, message, type(error).__name__)


def of_load(error: BaseException) -> worker.Failure:
    """The failure of a replica whose model could not be loaded."""
    cause = error.__cause__ or error
    message = _text_of(error) if error.__cause__ else f"{type(error).__name__}: {_text_of(error)}"
    return _failure(worker.LOAD_FAILED, f"the model cannot be loaded: {message}", cause)


def _failure(code: str, message: str, error: BaseException) -> worker.Failure:
    return worker.failure(
        code,
        _sound(shortened(message, _MAX_MESSAGE_CHARACTERS)),
        _sound(type(error).__name__),
        _sound(shortened(_traceback_of(error), _MAX_TRACEBACK_CHARACTERS)),
    )


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # an exception of the model's own may fail even at this
        return f"(its text cannot be had: {type(second).__name__})"


def _traceback_of(error: BaseException) -> str:
    """The traceback as Python prints it, beginning with the model's own code."""
    first = frames = error.__traceback__
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_OUR_FOLDER):
        first = first.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, first or frames))
    except Exception:  # the same exceptions as above
        return "".join(traceback.format_tb(first or frames))


def shortened(text: str, limit: int) -> str:
    """Text of about `limit` characters at most; the middle of a longer one is left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n... [{len(text) - 2 * half} characters left out] ...\n{text[-half:]}"


def _sound(text: str) -> str:
    """Text that can be encoded whatever it holds, without the colours that some frameworks give it."""
    return _COLOUR.sub("", text).encode("utf-8", "backslashreplace").decode()
