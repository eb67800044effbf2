#pragma once

#include "mock/answer_book.hpp"
#include "mock/chat_request.hpp"
#include "mock/options.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>

namespace assay::mock {

/// Why a simulated answer ends.
enum class choice_end : uint8_t {
  stop = 1,
  length = 2,        ///< Cut by the token limit.
  stop_sequence = 3, ///< Cut by a text of the request.
  tool_call = 4,
  filtered = 5, ///< Withheld by the policy.
};

/// One choice of a simulated answer.
struct simulated_choice {
  std::string text;
  choice_end end = choice_end::stop;
  uint64_t tokens = 0;
  std::string tool_name;      ///< tool_call only.
  std::string tool_arguments; ///< JSON.
  std::string stop_sequence;  ///< stop_sequence only: the text that cut it.
};

/// Decides what the simulated models say. Everything follows from (seed, model, prompt, number of the
/// choice), so the same question gets the same answer in every run; only transient errors look at the
/// repetition too. Thread-safe; nothing changes but whether on_unknown has been told.
class simulator {
public:
  /// @param book may be null: then every prompt is unknown, and nobody is told.
  /// @param on_unknown Told once, with the first prompt that is not in the book; may be empty.
  simulator(uint64_t seed, std::vector<simulated_model> models, std::optional<double> unknown_model_accuracy,
            std::shared_ptr<const answer_book> book,
            std::function<void(std::string_view prompt)> on_unknown = {});

  /// @returns the model of that name: configured, `sim-p<NN>`, or any when unknown models are allowed.
  std::optional<simulated_model> find(const std::string& name) const;
  const std::vector<simulated_model>& models() const noexcept { return models_; }

  /// @returns whether call number @p repetition of this prompt fails with 500.
  bool fails(const simulated_model& model, const chat_request& request, uint64_t repetition) const noexcept;
  simulated_choice answer(const simulated_model& model, const chat_request& request, uint32_t choice) const;
  /// A draw for call number @p n, independent for each @p purpose. 0 <= draw < 1.
  double draw(uint64_t n, uint64_t purpose) const noexcept;

private:
  uint64_t decision(const simulated_model& model, const chat_request& request, uint64_t salt) const noexcept;
  std::string text_of(const simulated_model& model, const chat_request& request, uint32_t choice) const;

  const uint64_t seed_;
  const std::vector<simulated_model> models_;
  const std::optional<double> unknown_model_accuracy_;
  const std::shared_ptr<const answer_book> book_;
  const std::function<void(std::string_view prompt)> on_unknown_;
  mutable std::atomic<bool> told_ = false;
  std::unordered_map<std::string, size_t> index_;
};

} // namespace assay::mock
