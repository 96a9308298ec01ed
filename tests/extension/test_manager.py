"""Loading plugins, broken plugins, and hooks that are called one by one."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import pytest

from hyperspace_core.errors import ProjectError, UsageError
from hyperspace_core.extension.manager import BUILTINS, build_manager
from hyperspace_core.run import Memory, Run, Section
from support.world import World, broken, hooks_of

GOOD = """
    from hyperspace_core import hookimpl
    from hyperspace_core.run import Section

    @hookimpl
    def hyperspace_seed(seed):
        seen.append(seed)

    seen = []
"""


def run(tmp_path: Any) -> Run:
    return Run(sink=Memory(), seed=1, workdir=tmp_path)


# -- core's own ----------------------------------------------------------------------------------------------


def test_core_s_defaults_are_plugins() -> None:
    extensions = build_manager(discover=False)
    names = [name for name, _ in extensions.manager.list_name_plugin()]
    assert names == [f"core.{text.partition(':')[0].rpartition('.')[2]}" for text in BUILTINS]
    assert extensions.loaded == ()
    assert extensions.broken == ()


def test_managers_are_independent(world: World) -> None:
    world.plugin("good", GOOD)
    first, second = build_manager(), build_manager()
    first.report_broken("good", "a cause")
    assert hooks_of(first, "good") == []
    assert hooks_of(second, "good") == ["hyperspace_seed"]


# -- loading -------------------------------------------------------------------------------------------------


def test_a_loaded_plugin_has_name_version_and_file(world: World) -> None:
    folder = world.plugin("good", GOOD, version="3.1")
    (plugin,) = [one for one in build_manager().loaded if one.name == "good"]
    assert (plugin.distribution, plugin.version) == ("good-plugin", "3.1")
    assert plugin.file == str(folder / "good_plugin.py")


def test_plugins_are_loaded_in_the_order_of_their_names(world: World) -> None:
    for name in ("mm", "zz", "aa"):
        world.plugin(name, GOOD)
    assert [one.name for one in build_manager().loaded if len(one.name) == 2] == ["aa", "mm", "zz"]


def test_an_object_may_be_a_plugin(world: World) -> None:
    world.install("dist", {"hyperspace.plugins": {"object": "dist_module:plugin"}}, {"dist_module.py": """
        from hyperspace_core import hookimpl

        class Plugin:
            @hookimpl
            def hyperspace_seed(self, seed): ...

        plugin = Plugin()
    """})
    extensions = build_manager()
    assert hooks_of(extensions, "object") == ["hyperspace_seed"]
    assert "object" not in broken(extensions)


BROKEN = [
    ("import not_installed_at_all", "it needs the module 'not_installed_at_all'"),
    ("raise RuntimeError('at import')", "RuntimeError: at import"),
    ("raise SystemExit(4)", "SystemExit(4)"),
    ("x = 1", "it implements no hook"),
    ("def hyperspace_seed(seed): ...", "its hyperspace_seed is not marked as a hook"),
    ("@hookimpl\ndef hyperspace_sed(seed): ...",
     ("it implements hyperspace_sed, which this version of hyperspace does not have; did you mean "
      "hyperspace_seed?")),
    ("@hookimpl\ndef hyperspace_seed(seed, nonsense): ...", "Plugin 'bad' for hook 'hyperspace_seed'"),
    ("@hookimpl\ndef hyperspace_capture(run): ...\n@hookimpl\ndef hyperspace_train(nonsense): ...",
     "Plugin 'bad' for hook 'hyperspace_train'"),
    ("@hookimpl(wrapper=True)\ndef hyperspace_train(): return 1", "Plugin 'bad' for hook 'hyperspace_train'"),
    ("@hookimpl(wrapper=True)\ndef hyperspace_capture(run): yield",
     "it wraps hyperspace_capture, whose implementations are called one by one"),
]


@pytest.mark.parametrize(("text", "cause"), BROKEN)
def test_a_broken_plugin_is_left_out_and_the_others_load(world: World, text: str, cause: str) -> None:
    world.plugin("bad", "from hyperspace_core import hookimpl\n" + text)
    world.plugin("good", GOOD)
    extensions = build_manager()
    assert broken(extensions)["bad"].startswith(cause)
    assert "\n" not in broken(extensions)["bad"]
    assert hooks_of(extensions, "bad") == []
    assert not extensions.manager.has_plugin("bad")
    assert all(caller.has_spec() for caller in vars(extensions.hook).values())
    assert hooks_of(extensions, "good") == ["hyperspace_seed"]


def test_a_class_is_no_plugin(world: World) -> None:
    world.install("dist", {"hyperspace.plugins": {"bad": "dist_module:Plugin"}},
                  {"dist_module.py": "class Plugin:\n    def hyperspace_seed(self, seed): ..."})
    assert broken(build_manager())["bad"] == "it is the class Plugin; name a module or an object instead"


def test_a_hook_of_another_version_may_be_declared_optional(world: World) -> None:
    future = "\n    @hookimpl(optionalhook=True)\n    def hyperspace_from_the_future(x): ...\n"
    world.plugin("modern", GOOD + future)
    extensions = build_manager()
    assert "modern" not in broken(extensions)
    assert "hyperspace_seed" in hooks_of(extensions, "modern")


def test_two_distributions_of_one_name_are_both_left_out(world: World) -> None:
    world.plugin("same", GOOD, distribution="dist-b")
    world.plugin("same", GOOD, distribution="dist-a")
    extensions = build_manager()
    assert broken(extensions)["same"] == "offered by dist-a 1.0 and dist-b 1.0; uninstall all but one"
    assert hooks_of(extensions, "same") == []


def test_require_whole_names_the_broken_plugin_and_a_cure(world: World) -> None:
    world.plugin("bad", "raise RuntimeError('at import')")
    with pytest.raises(ProjectError) as caught:
        build_manager().require_whole()
    (line,) = [line for line in str(caught.value).splitlines() if "'bad'" in line]
    assert line.startswith("plugin 'bad' (bad-plugin 1.0) is left out: RuntimeError: at import")
    assert line.endswith("fix it, or disable it with --no-plugin bad")
    build_manager(disable=["bad"]).require_whole()


# -- leaving out ---------------------------------------------------------------------------------------------


def test_a_disabled_plugin_is_not_even_imported(world: World) -> None:
    world.plugin("bad", "raise RuntimeError('imported')")
    extensions = build_manager(disable=["bad"])
    assert "bad" not in broken(extensions)
    assert extensions.disabled == ("bad",)


def test_disabling_a_plugin_that_is_not_installed_fails(world: World) -> None:
    world.plugin("stopwatch", GOOD)
    with pytest.raises(UsageError, match="no plugin 'stopwach' to leave out; did you mean 'stopwatch'"):
        build_manager(disable=["stopwach"])


# -- calling -------------------------------------------------------------------------------------------------

CAPTURE = """
    from hyperspace_core import hookimpl
    from hyperspace_core.run import Section

    @hookimpl{options}
    def hyperspace_capture(run):
        {body}
"""


def capture(world: World, name: str, body: str, options: str = "") -> None:
    world.plugin(name, CAPTURE.format(body=body, options=options))


def test_each_isolates_the_plugins_from_each_other(world: World, tmp_path: Any) -> None:
    capture(world, "a1", "return Section('a', {'seed': run.seed})")
    capture(world, "b1", "raise KeyError('no')")
    capture(world, "c1", "raise SystemExit(2)")
    capture(world, "d1", "return None")
    answers = dict(build_manager().each("hyperspace_capture", run=run(tmp_path)))
    assert answers["a1"] == Section("a", {"seed": 1})
    assert repr(answers["b1"]) == "KeyError('no')"
    assert isinstance(answers["c1"], SystemExit)
    assert answers["d1"] is None


def test_each_calls_core_first_and_respects_tryfirst(world: World, tmp_path: Any) -> None:
    capture(world, "a1", "return None", "(trylast=True)")
    capture(world, "b1", "return None")
    capture(world, "c1", "return None", "(tryfirst=True)")
    names = [name for name, _ in build_manager().each("hyperspace_capture", run=run(tmp_path))]
    assert names[0] == "c1"
    assert names[-1] == "a1"
    assert names.index("git") < names.index("b1")


def test_a_failing_observer_is_logged_and_the_others_called(world: World, tmp_path: Any,
                                                            caplog: pytest.LogCaptureFixture) -> None:
    for name, body in (("a1", "raise ValueError('deaf')"), ("b1", "heard.append(run.seed)")):
        world.plugin(name, f"""
            from hyperspace_core import hookimpl
            heard = []

            @hookimpl
            def hyperspace_run_started(run):
                {body}
        """)
    extensions = build_manager()
    with caplog.at_level(logging.ERROR, logger="hyperspace"):
        extensions.observers("hyperspace_run_started", run=run(tmp_path))
    assert importlib.import_module("b1_plugin").heard == [1]
    assert "hyperspace_run_started of plugin 'a1' failed: ValueError: deaf" in caplog.text


def test_implements_excludes_core_and_wrappers(world: World) -> None:
    world.plugin("does", "from hyperspace_core import hookimpl\n@hookimpl\n"
                         "def hyperspace_train(model): return model")
    world.plugin("wraps", "from hyperspace_core import hookimpl\n@hookimpl(wrapper=True)\n"
                          "def hyperspace_train(): return (yield)")
    assert build_manager().implements("hyperspace_train") == ("does",)
