"""What is drawn from a trained generator."""
