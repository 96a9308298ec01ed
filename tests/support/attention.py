"""The shape of the ancestor's one public client, with its names and its nesting."""

from __future__ import annotations

FILES = {
    "hyperspace.py": """
        from hyperspace_core.markers import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from attention import parts
            register.module(parts)
            register.tasks("attention.tasks")
        """,
    "parts.py": """
        from dataclasses import dataclass, field

        import numpy as np

        from hyperspace_core.components import Component, Dataset, Scenario
        from hyperspace_core.components import Lazy
        from hyperspace_core.run import Run


        @dataclass
        class Imdb(Dataset):
            language: str = "en"

            def load(self):
                return self.language


        class Aggregation(Component):
            pass


        @dataclass
        class BranchingAttentionAggregation(Aggregation):
            dv: int
            agg_layers: list[int] = field(default_factory=lambda: [50])
            att_hid_layers: list[int] = field(default_factory=list)
            agg_bn: bool = True


        @dataclass
        class LastState(Aggregation):
            dv: int


        class Classifier(Component):
            pass


        @dataclass
        class AggregatingClassifier(Classifier):
            aggregation: Lazy[Aggregation] = Lazy(BranchingAttentionAggregation)
            drop_mult: float = 1.0
            lin_ftrs: list[int] = field(default_factory=lambda: [50])


        class TrainingSchedule(Component):
            pass


        @dataclass
        class DefaultSchedule(TrainingSchedule):
            cycles: int = 3
            lr: float = 0.01


        @dataclass
        class HeadOnlySchedule(DefaultSchedule):
            pass


        @dataclass
        class SmallTrainSample(Scenario):
            dataset: Dataset
            num_samples: int = 100

            def single_run(self, run: Run, classifier: Classifier,
                           training_schedule: TrainingSchedule = DefaultSchedule(),
                           then: TrainingSchedule | None = None,
                           schedules: list[TrainingSchedule] = (), returns: str = "dict") -> float:
                aggregation = classifier.aggregation(dv=400)
                parts = [training_schedule, *schedules, *filter(None, [then])]
                cycles = sum(part.cycles for part in parts)
                name = type(aggregation).__name__
                run.info["built"] = [name, aggregation.dv, self.num_samples, cycles]
                if returns == "million":
                    run.info["history"] = [0.5] * 2_500_000
                if returns == "int keys":
                    run.info["table"] = {1: "a"}
                score = cycles / 10
                if returns == "dict":
                    return {"accuracy": np.float64(score)}
                return np.float32(score) if returns == "numpy" else score
        """,
    "tasks/__init__.py": "",
    "tasks/imdb_100.json": """
        {"Scenario": {"className": "SmallTrainSample", "Dataset": {"className": "Imdb", "language": "de"}},
         "metric": {"name": "accuracy"}, "seed": 1}
        """,
    "tasks/broken.json": '{"Scenario": {"className": "SmallTrainSample",}}',
}
