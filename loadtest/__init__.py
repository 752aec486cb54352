"""Speed and memory of the hub, measured as ratios in one run: `python -m loadtest bench`."""
