"""What several wings raise alike."""


class UnavailableError(Exception):
    """Something that the app needs cannot be used now. Its text is a sentence for users."""
