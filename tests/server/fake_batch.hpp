#pragma once

#include "core/values/run.hpp"
#include "protocol/messages/runs.hpp"
#include "storage/write_batch.hpp"

namespace assay::server::test {

/// What a farm stores when it asks the rows of @p asked: each prompt comes back as an echo. The model `busy`
/// refuses all, `slow` ends the first row only. @param record The run; gets its task and how far it is.
storage::write_batch answered_batch(const submit_run& asked, run_record& record);

} // namespace assay::server::test
