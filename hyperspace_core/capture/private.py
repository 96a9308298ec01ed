"""Detection of secret files by name; snapshots and patches leave them out."""

from __future__ import annotations

import re

# passwords and tokens, private keys, key stores, password files of programs
_SECRET = re.compile(r"""
    \.env.* | .*\.env
    | .*\.(pem|key|ppk|p12|pfx|jks|keystore|kdbx|gpg|asc|kubeconfig)
    | id_[^.]* | id_(rsa|dsa|ecdsa|ed25519)\b.*
    | [._](netrc|pgpass|npmrc|pypirc|htpasswd|git-credentials|dockercfg)
    | .*\.netrc | kubeconfig
    | (.*[-_.])?(secrets?|credentials?|passwords?|passwd|token|api[-_]?keys?)
      (\.(json|ya?ml|toml|ini|cfg|conf|txt))?
    | service[-_]account.*\.json
""", re.IGNORECASE | re.VERBOSE | re.DOTALL)


def looks_secret(path: str) -> bool:
    """Whether a name looks secret; except for Python code, also by its folders."""
    *folders, name = path.split("/")
    named = folders if not name.endswith((".py", ".pyi")) else []
    return any(_SECRET.fullmatch(part) is not None for part in (name, *named))
