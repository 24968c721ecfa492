"""Pictures without metadata: folders of images, video files; a reader a module."""
