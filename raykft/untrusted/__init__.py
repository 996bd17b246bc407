"""What strangers wrote: read in bounds, told in short, and made harmless for where it is shown."""
