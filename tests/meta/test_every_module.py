"""Every module can be imported first, in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

from support.places import modules

# Forks of one bare interpreter: equal to new interpreters, in a tenth of the time.
EACH_ALONE = """
import json, os, sys, traceback, importlib
problems = {}
for name in sys.argv[1:]:
    back, there = os.pipe()
    child = os.fork()
    if not child:
        text = ""
        try:
            importlib.import_module(name)
        except BaseException:
            text = traceback.format_exc()
        os.write(there, text.encode()[-4000:])
        os._exit(0)
    os.close(there)
    with open(back, "rb") as pipe:
        text = pipe.read().decode()
    if os.waitpid(child, 0)[1]:
        text += "the import ended the process"
    problems[name] = text
print(json.dumps(problems))
"""


def test_each_module_imports_alone_and_without_a_warning() -> None:
    command = [sys.executable, "-P", "-W", "error", "-c", EACH_ALONE, *modules()]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    problems = json.loads(run.stdout)

    assert len(problems) > 100
    assert {module: problem for module, problem in problems.items() if problem} == {}
