"""Reinforcement learning: rewards, contrastive sampling, GRPO on TRL."""
