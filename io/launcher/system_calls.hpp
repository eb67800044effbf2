#pragma once

namespace assay::launcher {

/// Writes the filter of system calls that a sandboxed program is under, as the kernel's filter program, into
/// a file in memory. @returns its descriptor, read from the start and inherited by what is executed next.
int make_system_call_filter();

} // namespace assay::launcher
