"""Image files into pixels, and pixels kept on disk."""
