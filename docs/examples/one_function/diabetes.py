"""How well do ten measurements predict the progress of diabetes over a year?"""

from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split

from hyperspace_core import hookimpl


def train(learning_rate: float = 0.1, trees: int = 100, depth: int = 3, seed: int = 0):
    x, y = load_diabetes(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=seed)
    model = GradientBoostingRegressor(
        learning_rate=learning_rate, n_estimators=trees, max_depth=depth, random_state=seed
    )
    model.fit(x_train, y_train)
    error = mean_absolute_error(y_test, model.predict(x_test))
    print(f"mean absolute error: {error:.1f}")
    return error


@hookimpl
def hyperspace_register(register):
    register.scenario(train, goal="minimize")


if __name__ == "__main__":
    train()
