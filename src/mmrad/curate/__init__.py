"""From annotations to regions: masks to boxes, labels to plain words."""
