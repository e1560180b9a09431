"""Pascal VOC folders: XML files of boxes, and images whose pixel values number objects and classes."""
