#pragma once

#include "core/values/run.hpp"
#include "storage/score_reader.hpp"

#include <memory>
#include <string>

/// What commands that judge runs read from a data folder.
namespace assay::cli {

/// The record of the run that a user means: an id, the unambiguous beginning or end of one, or `last`.
result<run_record> read_run_named(const std::shared_ptr<storage::store>& from, const std::string& name);

} // namespace assay::cli
