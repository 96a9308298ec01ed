"""Analysis of recorded runs: paired comparison, effects of hyper-parameters, plots."""
