"""The ablations of the paper's Table 5."""
