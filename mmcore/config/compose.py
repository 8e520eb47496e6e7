"""Choices -> every setting: Hydra puts conf/ together, the rest fills it up, checks it and adds what DVC must know."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mmcore.config.agree import disagreements, strange_encoders
from mmcore.config.derive import derive
from mmcore.config.overrides import Choice, apply, parse, walk
from mmcore.config.params import Params
from mmcore.config.parts import UNSET, Shelf
from mmcore.config.sections import SECTIONS, checked
from mmcore.errors import ConfigError, listing, near_miss
from mmcore.registry.plugins import GROUPS, Plugins

PRIMARY = "config"


def compose(root: Path, choices: Sequence[str], *, plugins: Plugins) -> dict[str, Any]:
    """Every section of params.yaml for the choices, as plain YAML. No plugin is imported.

    root: the project, which holds conf/. Raises ConfigError or PluginError: what was asked, what is there, what to do.
    """
    shelf = Shelf(root, plugins)
    if not (root / "conf" / f"{PRIMARY}.yaml").is_file():
        raise ConfigError(
            f"There is no conf/{PRIMARY}.yaml in {root.resolve()}. The project is the clone: run `mm compose` there."
        )
    parsed = parse(choices)
    groups = [choice for choice in parsed if _chooses_group(choice, shelf)]
    tree = _tree(shelf, groups)
    full = apply(tree, [choice for choice in parsed if choice not in groups], shelf)
    values = agreed(checked(derive(_resolved(full), root=root, plugins=plugins)))
    if faults := list(strange_encoders(Params(values, ["fields"]).fields(), plugins)):
        raise ConfigError("\n".join(faults))
    return values


def agreed(values: dict[str, Any]) -> dict[str, Any]:
    """The same values. Raises ConfigError with every way in which they do not agree with each other."""
    params = Params(values, ["fields", "tasks", "training.monitor"])
    faults = list(disagreements(params.fields(), params.tasks(), monitor=params.get("training.monitor", str)))
    if faults:
        raise ConfigError("\n".join(faults))
    return values


def _chooses_group(choice: Choice, shelf: Shelf) -> bool:
    """Whether it picks a file of conf/: `experiment=table`. Raises ConfigError where no such file is there."""
    if "." in choice.key or choice.key == "fusion" or not isinstance(choice.value, str):
        return False
    if choice.key in GROUPS:
        raise ConfigError(
            f"{choice.text!r} does not say where. Name the place: fields.FIELD.encoder=.., fields.FIELD.modality=.., "
            "tasks.TASK=.., data.source=.., fusion=.."
        )
    if choice.key not in shelf.groups:
        known = {*SECTIONS, *shelf.groups} - set(GROUPS)
        if choice.key in SECTIONS:
            return False
        hint = near_miss(choice.key, known)
        raise ConfigError(f"{choice.text!r}: there is no {choice.key!r}.{hint} There is: {listing(known)}.")
    options = shelf.options(choice.key)
    if choice.value not in options:
        raise ConfigError(
            f"{choice.text!r}: there is no conf/{choice.key}/{choice.value}.yaml."
            f"{near_miss(choice.value, options)} There is: {listing(options)}."
        )
    return True


def _tree(shelf: Shelf, groups: Sequence[Choice]) -> dict[str, Any]:
    """What Hydra makes of conf/ and the folders of all plugins."""
    folders = ",".join(f"'file://{folder}'" for folder in shelf.folders[1:])
    overrides = [f"hydra.searchpath=[{folders}]", *(f"{one.sign}{one.key}={_quoted(one.value)}" for one in groups)]
    try:
        with initialize_config_dir(str(shelf.folders[0].resolve()), version_base="1.3"):
            tree = OmegaConf.to_container(hydra_compose(PRIMARY, overrides), resolve=False)
    except MissingConfigException as error:
        raise ConfigError(_missing(error, shelf)) from error
    except YAMLError as error:  # its mark names the file
        place = str(getattr(error, "problem_mark", None) or "conf/").strip().removeprefix("in ").replace('"', "")
        raise ConfigError(f"{place.split(',')[0]} is not readable as YAML: {error}") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"conf/ does not fit together: {_first_line(error)}") from error
    except RecursionError as error:
        chosen = ", ".join(choice.text for choice in groups) or f"conf/{PRIMARY}.yaml"
        raise ConfigError(
            f"conf/ goes round in a circle: the `defaults` of a file that {chosen} starts from lead back to that file. "
            "Take one of them out."
        ) from error
    return {str(name): value for name, value in dict(tree).items()}  # type: ignore[arg-type]


def _quoted(name: str) -> str:
    """So that a file of conf/ may be called in any alphabet, and with spaces."""
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _missing(error: MissingConfigException, shelf: Shelf) -> str:
    """A defaults list names a file that is not there."""
    asked = error.missing_cfg_file or ""
    asked = asked if isinstance(asked, str) else ", ".join(asked)
    group, _, name = asked.rpartition("/")
    options = shelf.options(group.strip("/"))
    named = _first_line(error).split(":")[0]
    return f"{named} of conf/: a defaults list names {asked!r}.{near_miss(name, options)} There is: {listing(options)}."


def _folder(path: str) -> str:
    """`${folder:...}` in conf/: the folder that a file lies in; the file itself where that is the project."""
    return path if Path(path).parent == Path() else str(Path(path).parent)


def _resolved(tree: dict[str, Any]) -> dict[str, Any]:
    """`${...}` replaced by what it points to. Raises ConfigError for what is still to be given."""
    lacking = [key for key, value in walk(tree) if value == UNSET]
    if lacking:
        raise ConfigError(
            f"{listing(lacking)} {'has' if len(lacking) == 1 else 'have'} no value. Give one: "
            f"{' '.join(f'{key}=...' for key in lacking)}"
        )
    OmegaConf.register_new_resolver("folder", _folder, replace=True)
    try:
        return dict(OmegaConf.to_container(OmegaConf.create(tree), resolve=True))  # type: ignore[arg-type]
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
