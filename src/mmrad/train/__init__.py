"""Training: the nano model, supervised fine-tuning, and what a training reads."""
