"""Labels and the pictures they belong to: nuScenes, OpenLABEL, COCO, KITTI's objects; a reader a module."""
