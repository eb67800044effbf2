#pragma once

#include "core/control/route_choice.hpp"
#include "core/values/model.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assay::control {

/// What a model is wanted for. Empty and unset members ask for nothing.
struct selection_wish {
  std::string task_type{};     ///< An open word: `grading`, `code_completion`, ...
  uint64_t content_tokens = 0; ///< Of the prompt.
  uint64_t answer_tokens = 0;  ///< That the answer needs; they share the context window with the prompt.
  selection_priority priority = selection_priority::balanced;
  std::vector<std::string> capabilities{};   ///< All of them, in the API's words.
  std::vector<std::string> providers{};      ///< Only these.
  std::optional<double> max_cost{};          ///< Dollars of the call.
  std::optional<double> max_response_time{}; ///< Seconds, mean.
  std::optional<double> min_quality{};       ///< 0..1
  std::optional<double> min_success_rate{};  ///< 0..1
};

/// A model, and what was seen of it. Unknown numbers exclude it from nothing.
struct selection_candidate {
  model_profile model;
  bool available = true;
  std::string why;                    ///< Why it is not.
  std::optional<double> latency;      ///< Seconds, mean.
  std::optional<double> success_rate; ///< 0..1
  std::optional<double> quality;      ///< 0..1, mean.
  uint64_t samples = 0;               ///< Calls behind latency and success rate.
  uint64_t judged = 0;                ///< Answers behind the quality; 0: as configured, or not known.
};

/// A model that can do it.
struct selected_model {
  size_t candidate = 0;       ///< Its index.
  selection_score score;      ///< Its target is the same index.
  std::optional<double> cost; ///< Dollars that the call would cost by its prices.
  std::vector<std::string> reasons;
};

/// A model that cannot, and the first reason why.
struct excluded_model {
  size_t candidate = 0;
  std::string reason;
};

struct model_selection {
  std::vector<selected_model> ranked; ///< The best first.
  std::vector<excluded_model> excluded;
};

/// Ranks the models that can do what is wished for: their supported tasks have the task type (none named:
/// all), the prompt and the answer fit their context window, the answer their longest answer, and no
/// requirement that something is known about is missed. Ranked by rank_targets(); models of equal score in
/// the order given, those that are not deprecated first.
model_selection select_models(const selection_wish& wish, const std::vector<selection_candidate>& candidates);

} // namespace assay::control
