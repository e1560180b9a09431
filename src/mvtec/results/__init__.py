"""What models say about photos: detections, and COCO results of them."""
