"""Which class is a photo of: the baseline that a detector is compared with."""
