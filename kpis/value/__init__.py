"""The value of a change: intervals, comparisons, baselines, money, roll-outs, forecasts and targets."""
