"""Files that visitors bring: read once, and then let go. Else the server keeps each until long
after the visitor has left."""

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile


def is_new(file: object) -> bool:
    """Whether what a file uploader holds is a file that was not taken yet."""
    return isinstance(file, UploadedFile)


def take(file: UploadedFile) -> bytes:
    """The content of a file that was just brought; the server keeps it no longer."""
    content = file.getvalue()
    if context := get_script_run_ctx():
        keeper = context.uploaded_file_mgr
        assert isinstance(keeper, MemoryUploadedFileManager)
        keeper.remove_file(context.session_id, file.file_id)
    return content
