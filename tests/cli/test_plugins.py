import json

from mmcore.cli import plugins
from mmcore.registry.plugins import GROUPS
from tests.packages import found_in, register, write_package


def test_json_has_a_row_for_each_plugin_and_says_what_is_broken(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(tmp_path)
    write_package(
        tmp_path, "cli-good", plugins={"encoder": {"good": "good:Good"}}, modules={"good": "class Good: ...\n"}
    )
    register(tmp_path, "cli-bad", plugins={"fusion": {"bad": "bad:Bad"}})
    monkeypatch.setattr(plugins, "installed", lambda: found_in(tmp_path))

    plugins.show_plugins(as_json=True)
    good, bad = json.loads(capsys.readouterr().out)

    assert good == {
        "kind": "encoder", "name": "good", "package": "cli-good", "version": "1.0", "class": "cli_good.good:Good",
        "error": None,
    }  # fmt: skip
    assert "does not import" in bad["error"]
    assert {good["kind"], bad["kind"]} <= set(GROUPS)


def test_the_table_tells_the_error_below(tmp_path, monkeypatch, capsys):
    register(tmp_path, "cli-bad", plugins={"fusion": {"bad": "bad:Bad"}})
    monkeypatch.setattr(plugins, "installed", lambda: found_in(tmp_path))

    plugins.show_plugins(as_json=False)

    assert "mmcore.fusions 'bad' (cli_bad.bad:Bad of cli-bad 1.0) does not import" in capsys.readouterr().out


def test_without_plugins_it_is_said_how_to_get_some(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plugins, "installed", lambda: found_in(tmp_path))

    plugins.show_plugins(as_json=False)

    assert "pip install" in capsys.readouterr().out
