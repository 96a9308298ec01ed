"""Which wine is it? A project of functions: the stages are hooks, their settings plain dicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperspace_core import Run, hookimpl

if TYPE_CHECKING:
    from hyperspace_core.plugin import Register


@hookimpl
def hyperspace_register(register: Register) -> None:
    register.tasks("wine_functions.tasks")


@hookimpl
def hyperspace_load_data(run: Run, dataset: dict[str, Any]) -> Any:
    from sklearn.datasets import load_wine
    from sklearn.model_selection import train_test_split

    x, y = load_wine(return_X_y=True)
    return train_test_split(x, y, test_size=dataset["test_share"], random_state=run.seed, stratify=y)


@hookimpl
def hyperspace_build_model(model: dict[str, Any]) -> Any:
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), KNeighborsClassifier(model["neighbours"]))


@hookimpl
def hyperspace_train(model: Any, data: Any) -> Any:
    x_train, _, y_train, _ = data
    return model.fit(x_train, y_train)


@hookimpl
def hyperspace_score(run: Run, scorer: dict[str, Any], model: Any, data: Any) -> dict[str, float]:
    _, x_test, _, y_test = data
    run.log_scalar("tested", len(y_test))
    return {scorer["name"]: float(model.score(x_test, y_test))}
