"""What keeps an installation well: doctor, lists, errands, care of what is kept."""
