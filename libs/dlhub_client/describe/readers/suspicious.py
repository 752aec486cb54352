"""Names in a pickle that no model needs, but a program that wants to do harm does."""

from __future__ import annotations

from collections.abc import Iterable

from dlhub_client.describe.readers.pickle_values import Global

_MODULES = frozenset(
    (
        "os", "posix", "nt", "subprocess", "sys", "runpy", "importlib", "imp", "socket", "shutil", "pty",
        "ctypes", "webbrowser", "urllib", "http", "requests", "httpx", "aiohttp", "ftplib", "smtplib",
        "commands", "code", "codeop", "timeit", "cProfile", "profile", "pdb", "bdb", "trace", "threading",
        "multiprocessing", "asyncio", "signal", "platform", "pickle", "_pickle", "marshal", "dill",
        "cloudpickle", "pip", "setuptools", "tempfile", "io", "_io", "zipimport", "pkgutil", "atexit", "gc",
        "inspect", "test",
    )
)  # fmt: skip
_BUILTINS = frozenset(
    (
        "eval", "exec", "execfile", "compile", "open", "input", "__import__", "getattr", "setattr", "delattr",
        "globals", "locals", "vars", "breakpoint", "apply", "map", "filter", "exit", "quit",
    )
)  # fmt: skip
_NAMES = frozenset(
    (
        "operator.attrgetter", "operator.methodcaller", "types.CodeType",
        "types.FunctionType", "types.LambdaType", "functools.reduce", "torch.hub.load", "torch.load",
        "torch.jit.load", "joblib.load", "numpy.load", "numpy.f2py.crackfortran.getlincoef",
        "numpy.testing._private.utils.runstring", "pandas.read_pickle", "copyreg.add_extension",
        "logging.config.listen", "uuid._get_command_stdout", "lib2to3.pgen2.grammar.Grammar.loads",
    )
)  # fmt: skip
_HARMLESS = frozenset(("_io.BytesIO", "io.BytesIO", "_io.StringIO", "io.StringIO", "threading.Lock"))


def suspicious_names(names: Iterable[Global]) -> tuple[str, ...]:
    """Those that could run other code, open files or reach the network when the pickle is loaded."""
    return tuple(sorted({one.path for one in names if _is_suspicious(one)}))


def _is_suspicious(one: Global) -> bool:
    if one.path in _HARMLESS:
        return False
    if one.module in ("builtins", "__builtin__"):
        return one.name.partition(".")[0] in _BUILTINS
    return one.module.partition(".")[0] in _MODULES or one.path in _NAMES or ".__" in one.name
