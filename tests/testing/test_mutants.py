"""Each broken part is killed by the contract's test that is meant to, in words that tell what is wrong."""

from inspect import signature

import pytest

from tests.testing.contracts import ToySourceContract
from tests.testing.mutants import decoding, encoders, fusions, modalities, others, streaming, tasks, texts
from tests.testing.mutation import MUTANTS

PARTS = (
    decoding,
    encoders,
    fusions,
    modalities,
    others,
    streaming,
    tasks,
    texts,
)  # imports enter their mutants


def call(contract, mutant, request):
    """Run one test of a contract with the fixtures that it asks for."""
    test = getattr(contract(), mutant.killed_by)
    fixtures = [name for name in signature(test).parameters if name not in mutant.given]
    test(**mutant.given, **{name: request.getfixturevalue(name) for name in fixtures})


@pytest.mark.parametrize("name", MUTANTS)
def test_the_contract_kills(name, request):
    mutant = MUTANTS[name]
    with pytest.raises((AssertionError, pytest.fail.Exception), match=mutant.saying):
        call(mutant.contract, mutant, request)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_same_test_spares_the_unbroken_sibling_of(name, request):
    call(MUTANTS[name].sibling, MUTANTS[name], request)


class StaleYaml(ToySourceContract):
    """The package ships a file from before `count` was a setting."""

    def shipped(self):
        return {"name": "toys", "limit": 5}


def test_a_setting_missing_in_the_yaml_is_named():
    with pytest.raises(AssertionError, match=r"Only in the YAML: limit. Only in the constructor: count"):
        StaleYaml().test_the_shipped_yaml_lists_exactly_the_settings()


def test_another_name_in_the_yaml_is_told():
    with pytest.raises(AssertionError, match="must say `name: toy`"):
        StaleYaml().test_the_shipped_yaml_names_the_plugin()
