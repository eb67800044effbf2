#pragma once

#include "core/values/run.hpp"
#include "protocol/messages/runs.hpp"
#include "storage/snapshot.hpp"

namespace assay {

/// Gives @p sample what its run has paid for already: a crash, a pause or a scorer's failure between an
/// answer and its score leaves the answer, so it is scored, not asked again. Of a conversation, the turns
/// that were answered. Answers of earlier generations count too: what failed was not the answer. Verdicts of
/// judges are those of the present generation. @returns what is wrong with the store.
std::optional<fault> recall_own_answers(storage::snapshot& view, const run_record& run,
                                        loaded_sample& sample);

/// Gives @p sample the answers of run.spec.origin, with copies that this run keeps: they cost nothing here.
/// The sample fails when that run has none. @param generation The newest of that run.
std::optional<fault> recall_answers_of(storage::snapshot& view, const run_record& run, uint16_t generation,
                                       loaded_sample& sample);

} // namespace assay
