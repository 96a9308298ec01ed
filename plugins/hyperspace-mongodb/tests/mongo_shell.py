"""Scripts for `mongosh` in the docs, executed by Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from hyperspace_mongodb.testing import Server

PASSWORD = "p@ss/word"
# the part of mongosh that the script uses: the commands are printed
MONGOSH = """
const verb = (name, database) => given => console.log(JSON.stringify([database, name, given]));
const db = {
  getSiblingDB: name => ({createRole: verb("createRole", name), createUser: verb("createUser", name)}),
};
const passwordPrompt = () => "PROMPTED";
"""


def execute_script(server: Server, script: str) -> None:
    """Execute it as `mongosh` would, on a server without access control; new users get our password."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js, which executes the script, is not installed")
    said = subprocess.run([node, "-e", MONGOSH + script], capture_output=True, text=True, check=True)
    with server.client() as client:
        for line in said.stdout.splitlines():
            database, verb, given = json.loads(line)
            name = given.pop("role", None) or given.pop("user")
            if "pwd" in given:
                assert given["pwd"] == "PROMPTED"
                given["pwd"] = PASSWORD
            client[database].command(verb, name, **given)
