"""What happens later: the relay over due rows and the dramatiq actors."""
