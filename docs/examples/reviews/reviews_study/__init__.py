"""Is a movie review a good one? Learnt from few of them."""
