"""What is unlike the good photos: defects found, and placed, without having seen one."""
