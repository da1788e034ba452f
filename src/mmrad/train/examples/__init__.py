"""What trainings read: conversations with right and wrong texts."""
