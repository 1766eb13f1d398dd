"""Every page and plot: the data card, the evaluation report and their figures."""
