"""New defect photos from the train part: real defects moved and bent, or made of real texture, on good photos."""
