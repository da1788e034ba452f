"""Training: recipes, what is read, models from nothing, SFT, reinforcement, ablations, publishing."""
