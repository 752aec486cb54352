"""A pickle's program, carried out on records instead of objects.

`pickletools` names the instructions; this machine keeps the stack and the memo as the real one does. Where
the real one would look up a name or call something, it only writes down that it would have. A pickle can
therefore do nothing, whatever it holds; it can only be long, and that is bounded.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import IO, Any, cast

from dlhub_client.describe.readers.pickle_source import Skipped, Source
from dlhub_client.describe.readers.pickle_values import Global, Made, Persistent

MAX_OPCODES = 20_000_000

OnBuilt = Callable[[Made, Source], Any]
"""What stands in the place of an object whose state is complete; joblib puts arrays' bytes after it."""


class PickleError(ValueError):
    """The instructions make no sense."""


class Machine:
    """Runs one pickle. `globals_used` collects every name that it refers to."""

    def __init__(self, on_built: OnBuilt | None = None) -> None:
        self.globals_used: dict[Global, None] = {}
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._on_built = on_built

    def run(self, source: Source) -> Any:
        """What the pickle would give. Raises PickleError, or ValueError from pickletools."""
        self._stack, self._marked, self._memo = [], [], {}
        for done, (opcode, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], source))):
            if opcode.name == "STOP":
                return self._pop()
            step = _STEPS.get(opcode.name)
            if step is None:
                raise PickleError(f"an instruction {opcode.name} that is not known")
            step(self, argument)
            if opcode.name == "BUILD" and self._on_built is not None:
                self._stack[-1] = self._on_built(self._stack[-1], source)
            if done > MAX_OPCODES:
                raise PickleError(f"more than {MAX_OPCODES} instructions")
        raise PickleError("no end")

    # --- stack ---

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack:
            raise PickleError("an instruction that needs a value, and none before it")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack:
            raise PickleError("an instruction that changes a value, and none before it")
        return self._stack[-1]

    def mark(self, _argument: Any) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        if not self._marked:
            raise PickleError("the end of a list that has no beginning")
        items, self._stack = self._stack, self._marked.pop()
        return items

    def pop(self, _argument: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def pop_mark(self, _argument: Any) -> None:
        self._since_mark()

    def duplicate(self, _argument: Any) -> None:
        self.push(self._top())

    # --- memo ---

    def put(self, index: Any) -> None:
        self._memo[len(self._memo) if index is None else int(index)] = self._top()

    def get(self, index: Any) -> None:
        if int(index) not in self._memo:
            raise PickleError(f"a reference to value {index}, which is not there")
        self.push(self._memo[int(index)])

    # --- values ---

    def constant(self, value: Any) -> None:
        self.push(value)

    def tuple_of(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    def tuple_marked(self, _argument: Any) -> None:
        items = self._since_mark()
        self.push(tuple(items))

    def list_marked(self, _argument: Any) -> None:
        items = self._since_mark()
        self.push(items)

    def dict_marked(self, _argument: Any) -> None:
        items = self._since_mark()
        self.push(_pairs(items))

    def append(self, _argument: Any) -> None:
        value = self._pop()
        _items_of(self._top()).append(value)

    def appends(self, _argument: Any) -> None:
        items = self._since_mark()
        _items_of(self._top()).extend(items)

    def set_item(self, _argument: Any) -> None:
        value, key = self._pop(), self._pop()
        _entries_of(self._top()).update(_pairs([key, value]))

    def set_items(self, _argument: Any) -> None:
        items = self._since_mark()
        _entries_of(self._top()).update(_pairs(items))

    # --- names and calls, none of which happen ---

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleError("a name that is no text")
        found = Global(module, name)
        self.globals_used[found] = None
        self.push(found)

    def name(self, argument: Any) -> None:
        module, _, name = str(argument).partition(" ")
        self._name(module, name)

    def name_from_stack(self, _argument: Any) -> None:
        name, module = self._pop(), self._pop()
        self._name(module, name)

    def extension(self, code: Any) -> None:
        self._name("copyreg", f"extension {code}")

    def call(self, _argument: Any) -> None:
        arguments, maker = self._pop(), self._pop()
        self.push(Made(maker, _tuple(arguments)))

    def new(self, _argument: Any) -> None:
        arguments, maker = self._pop(), self._pop()
        self.push(Made(maker, _tuple(arguments), called=False))

    def new_with_keywords(self, _argument: Any) -> None:
        keywords, arguments, maker = self._pop(), self._pop(), self._pop()
        named = {str(key): value for key, value in keywords.items()} if isinstance(keywords, dict) else {}
        self.push(Made(maker, _tuple(arguments), named, called=False))

    def instance(self, argument: Any) -> None:
        arguments = self._since_mark()
        self.name(argument)
        self.push(Made(self._pop(), tuple(arguments)))

    def object_marked(self, _argument: Any) -> None:
        items = self._since_mark()
        if not items:
            raise PickleError("an object without a class")
        self.push(Made(items[0], tuple(items[1:])))

    def build(self, _argument: Any) -> None:
        state = self._pop()
        top = self._top()
        if isinstance(top, Made):
            top.state = state
        else:
            self._stack[-1] = Made(top, called=False, state=state)

    def persistent(self, argument: Any) -> None:
        self.push(Persistent(argument))

    def persistent_from_stack(self, _argument: Any) -> None:
        self.push(Persistent(self._pop()))

    def buffer(self, _argument: Any) -> None:
        self.push(Skipped.of(0))

    def nothing(self, _argument: Any) -> None:
        """FRAME, PROTO: no value."""


def _tuple(arguments: Any) -> tuple[Any, ...]:
    return tuple(arguments) if isinstance(arguments, (tuple, list)) else (arguments,)


def _items_of(target: Any) -> list[Any]:
    if isinstance(target, Made):
        return target.items
    if isinstance(target, list):
        return target
    raise PickleError(f"an item for a {type(target).__name__}")


def _entries_of(target: Any) -> dict[Any, Any]:
    if isinstance(target, Made):
        return target.entries
    if isinstance(target, dict):
        return target
    raise PickleError(f"an entry for a {type(target).__name__}")


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise PickleError("a key without a value")
    try:
        return dict(zip(items[::2], items[1::2], strict=True))
    except TypeError as error:
        raise PickleError(f"a key that no dict can have ({error})") from error


Step = Callable[[Machine, Any], None]

_STEPS: dict[str, Step] = {
    **dict.fromkeys(
        (
            "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING",
            "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE",
            "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "FLOAT", "BINFLOAT",
        ),
        Machine.constant,
    ),
    **dict.fromkeys(("PROTO", "FRAME", "READONLY_BUFFER"), Machine.nothing),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine.get),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), Machine.extension),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_SET": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "TUPLE": Machine.tuple_marked,
    "FROZENSET": Machine.tuple_marked,
    "LIST": Machine.list_marked,
    "DICT": Machine.dict_marked,
    "APPEND": Machine.append,
    "APPENDS": Machine.appends,
    "ADDITEMS": Machine.appends,
    "SETITEM": Machine.set_item,
    "SETITEMS": Machine.set_items,
    "MARK": Machine.mark,
    "POP": Machine.pop,
    "POP_MARK": Machine.pop_mark,
    "DUP": Machine.duplicate,
    "GLOBAL": Machine.name,
    "STACK_GLOBAL": Machine.name_from_stack,
    "REDUCE": Machine.call,
    "NEWOBJ": Machine.new,
    "NEWOBJ_EX": Machine.new_with_keywords,
    "INST": Machine.instance,
    "OBJ": Machine.object_marked,
    "BUILD": Machine.build,
    "PERSID": Machine.persistent,
    "BINPERSID": Machine.persistent_from_stack,
    "NEXT_BUFFER": Machine.buffer,
}  # fmt: skip
