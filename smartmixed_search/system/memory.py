"""Whether memory has run out, on the host or on a device; and what gives some back."""

import pyarrow as pa
import torch

_OUT_OF_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
"""What torch says where it raises a bare RuntimeError: its CPU allocator, the driver, and cuBLAS for its workspace."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an error, or one in whose wake it came (as when a CUDA graph is captured), is a lack of memory."""
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            return True
        if isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def release_unused() -> None:
    """Give back to the machine what Arrow and the C library keep of memory that was freed, for their next use."""
    pa.default_memory_pool().release_unused()
    pa.system_memory_pool().release_unused()
