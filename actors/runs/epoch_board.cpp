#include "actors/runs/epoch_board.hpp"

#include <algorithm>

namespace assay {

std::optional<scoring::epochs_reduction> reduction_of(const run_spec& spec, const std::string& reducer) {
  if (spec.epochs < 2 || reducer.empty())
    return std::nullopt;
  const auto named = scoring::epochs_reduction_from_string(reducer);
  return named && named->how != scoring::epochs_reducer::mean ? named : std::nullopt;
}

epoch_board::epoch_board(const scoring::epochs_reduction& reduction, const run_spec& spec, size_t task)
    : reduction_(reduction), samples_(spec.tasks[task].sample_count),
      values_(samples_ * std::max<size_t>(spec.prompt_types.size(), 1)) {}

score_parts epoch_board::add(const sample_address& address, double value) {
  const auto place = address.variant * samples_ + address.sample;
  if (place >= values_.size())
    return {};
  auto& values = values_[place];
  const auto reduced = [&] {
    const std::vector<double> all(values.begin(), values.end());
    return scoring::reduce_epochs(reduction_, all);
  };
  const auto before = reduced();
  values.push_back(static_cast<float>(value));
  const auto after = reduced();
  return {after.value_or(0) - before.value_or(0), after && !before ? uint64_t{1} : uint64_t{0}};
}

std::vector<std::optional<epoch_board>>
boards_for(const run_spec& spec, const std::vector<std::optional<scoring::epochs_reduction>>& reductions) {
  std::vector<std::optional<epoch_board>> out;
  if (std::ranges::none_of(reductions, [](const auto& one) { return one.has_value(); }))
    return out;
  for (size_t i = 0; i < reductions.size(); ++i) {
    auto& board = out.emplace_back();
    if (reductions[i])
      board.emplace(*reductions[i], spec, i);
  }
  return out;
}

} // namespace assay
