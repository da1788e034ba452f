"""The review application: people look at the samples of a corpus and decide."""
