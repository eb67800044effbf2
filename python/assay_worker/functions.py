"""Functions that tasks bring along: `!function module.name`, found beside the task's file."""

import importlib
import importlib.util
import os
import sys
import types

from .documents import Documents
from .faults import Fault

PREFIX = "!function "


def written_function(value):
    """@returns (name, folder or None) when @p value stands for a function, else None.

    A function is written `{"!function": "module.name"}`, with `folder` where it does not lie in the worker's
    own, or as the text `!function module.name`.
    """
    if isinstance(value, dict) and "!function" in value:
        return str(value["!function"]).strip(), value.get("folder")
    if isinstance(value, str) and value.startswith(PREFIX):
        return value[len(PREFIX):].strip(), None
    return None


class Functions:
    """Loads modules of one folder, each again when its file has changed."""

    def __init__(self, folder, called=""):
        """@param called: the path by which the farm knows @p folder, when that is another."""
        self._root = os.path.realpath(folder) if folder else ""
        self._called = called.rstrip("/")
        self._modules = {}
        if self._root and self._root not in sys.path:
            # Last, so that a task's random.py does not hide Python's own.
            sys.path.append(self._root)
        stand_in_for_datasets()

    def resolve(self, value):
        """@returns the callable that @p value stands for, or @p value itself when it stands for none."""
        written = written_function(value)
        return value if written is None else self._find(*written)

    def need(self, value, what):
        """As resolve, but @p value must stand for a function."""
        found = self.resolve(value)
        if not callable(found):
            raise Fault("invalid_argument", f"{what} must be a function, written `!function module.name`")
        return found

    def resolve_all(self, value):
        """Resolves every function within lists and objects."""
        if written_function(value) is not None:
            return self.resolve(value)
        if isinstance(value, dict):
            return {key: self.resolve_all(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.resolve_all(one) for one in value]
        return value

    def _find(self, name, folder):
        module_name, _, function_name = name.rpartition(".")
        if not module_name or not function_name:
            raise Fault("invalid_argument", f"`{name}` names no function", "write !function module.name")
        module = self._module(module_name, folder)
        try:
            return getattr(module, function_name)
        except AttributeError:
            raise Fault("not_found", f"{module_name} has no `{function_name}`") from None

    def _module(self, name, folder):
        path = self._path_of(name, folder)
        try:
            if path is None:
                return importlib.import_module(name)
            return self._from_file(name, path)
        except Fault:
            raise
        except BaseException as error:
            hint = ""
            if isinstance(error, ModuleNotFoundError):
                hint = f"install the Python module {error.name} where the worker runs"
            raise Fault("scorer_failed", f"{name} cannot be imported: {type(error).__name__}: {error}",
                        hint) from error

    def _path_of(self, name, folder):
        """@returns the file of module @p name beside the task, or None when there is none."""
        if folder and self._called and (folder + "/").startswith(self._called + "/"):
            folder = self._root + folder[len(self._called):]
        root = os.path.realpath(folder) if folder else self._root
        if not root:
            raise Fault("unsupported", f"`{name}` needs a folder, and this worker has none")
        if not self._root or os.path.commonpath([root, self._root]) != self._root:
            raise Fault("forbidden", f"{root} lies outside the task's folder")
        path = os.path.join(root, *name.split(".")) + ".py"
        if not os.path.isfile(path):
            return None
        if os.path.commonpath([os.path.realpath(path), self._root]) != self._root:
            raise Fault("forbidden", f"{path} leads out of the task's folder")
        return path

    def _from_file(self, name, path):
        state = os.stat(path)
        stamp = (state.st_mtime_ns, state.st_size)
        known = self._modules.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        unique = f"assay_task_{len(self._modules)}_{name.replace('.', '_')}"
        spec = importlib.util.spec_from_file_location(unique, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[unique] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[unique]
            raise
        self._modules[path] = (stamp, module)
        return module


def stand_in_for_datasets():
    """Most tasks import the library datasets for the names of types only; where it is missing, ours stand in."""
    if "datasets" in sys.modules or importlib.util.find_spec("datasets") is not None:
        return

    def load_dataset(*_arguments, **_options):
        raise Fault("unsupported", "a task's code cannot load datasets here",
                    "name local files under dataset_kwargs.data_files")

    module = types.ModuleType("datasets")
    module.Dataset = Documents
    module.DatasetDict = dict
    module.load_dataset = load_dataset
    sys.modules["datasets"] = module
