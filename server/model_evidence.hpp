#pragma once

#include "core/configurations/optimized.hpp"
#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/model.hpp"
#include "storage/store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

/// What the store knows of how a model did with which parameters.
namespace assay::server {

/// Whose results may be seen, of which model and type of task.
struct evidence_query {
  std::optional<user_id> owner;
  model_id model;
  std::string task_type;
};

struct gathered_evidence {
  std::vector<configurations::past_result> results;
  bool more = false; ///< Older runs were not looked at.
};

/// Reads the finished runs of the model, the newest first, a bounded number. Blocks.
result<gathered_evidence> gather_evidence(const std::shared_ptr<storage::store>& store,
                                          const evidence_query& wanted);

/// @returns JSON object text: a model that is configured in files, or known from the catalogue, in the shape
/// of model_configs.yaml.
std::string configuration_of(const model_profile& model);

} // namespace assay::server
