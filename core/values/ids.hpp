#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace assay {

/// A name that cannot be mistaken for another kind of name.
template <class Tag>
struct text_id {
  std::string value;

  text_id() = default;
  explicit text_id(std::string text) : value(std::move(text)) {}

  bool empty() const noexcept { return value.empty(); }
  auto operator<=>(const text_id&) const = default;
};

template <class Tag>
const std::string& to_string(const text_id<Tag>& id) noexcept {
  return id.value;
}

using model_id = text_id<struct model_id_tag>;       ///< As users write it: `claude-3-haiku`.
using provider_id = text_id<struct provider_id_tag>; ///< `openai`, `anthropic`, ...
using task_id = text_id<struct task_id_tag>;         ///< `arithmetic_word_problems`.
using user_id = text_id<struct user_id_tag>;         ///< A person or a service; also the tenant of its runs.

/// A number that cannot be mistaken for another kind of number.
template <class Tag>
struct number_id {
  uint64_t value = 0;

  number_id() = default;
  explicit constexpr number_id(uint64_t number) noexcept : value(number) {}

  auto operator<=>(const number_id&) const = default;
};

/// One call on its way through the farm; unique within a process, never stored.
using call_id = number_id<struct call_id_tag>;

/// Names a run. Written `eval_<10 digits>_<8 hex digits>`: the Unix second of its creation and a random part.
/// Orders by creation time, also as the big-endian key under which the store keeps it.
struct run_id {
  uint64_t value = 0;

  run_id() = default;
  explicit constexpr run_id(uint64_t number) noexcept : value(number) {}
  /// @param seconds Unix time of creation; @param random fresh random bits.
  constexpr run_id(uint32_t seconds, uint32_t random) noexcept : value((uint64_t{seconds} << 32) | random) {}

  bool empty() const noexcept { return value == 0; }
  auto operator<=>(const run_id&) const = default;
};

std::string to_string(run_id id);

/// @returns the id written as @p text, or nothing when the text has another form.
std::optional<run_id> run_id_from_string(std::string_view text);

/// Where one answer belongs: the key under which the store keeps it, below the run.
struct sample_address {
  uint16_t task = 0;       ///< Index in the run's tasks.
  uint16_t variant = 0;    ///< Index in the run's prompt types.
  uint32_t sample = 0;     ///< Row of the dataset, from 0.
  uint16_t epoch = 0;      ///< Repetition, from 0.
  uint16_t step = 0;       ///< Turn or judge, from 0.
  uint16_t generation = 0; ///< Raised by the verb retry.

  auto operator<=>(const sample_address&) const = default;
};

/// @returns whether @p text may serve as an id chosen by a caller: [A-Za-z0-9._-]{1,128}.
bool is_caller_id(std::string_view text) noexcept;

} // namespace assay

template <class Tag>
struct std::hash<assay::text_id<Tag>> {
  size_t operator()(const assay::text_id<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.value);
  }
};

template <class Tag>
struct std::hash<assay::number_id<Tag>> {
  size_t operator()(const assay::number_id<Tag>& id) const noexcept {
    return std::hash<uint64_t>{}(id.value);
  }
};

template <>
struct std::hash<assay::run_id> {
  size_t operator()(const assay::run_id& id) const noexcept { return std::hash<uint64_t>{}(id.value); }
};

template <>
struct std::hash<assay::sample_address> {
  size_t operator()(const assay::sample_address& a) const noexcept {
    const uint64_t high = (uint64_t{a.task} << 48) | (uint64_t{a.variant} << 32) | a.sample;
    const uint64_t low = (uint64_t{a.epoch} << 32) | (uint64_t{a.step} << 16) | a.generation;
    return std::hash<uint64_t>{}(high * 0x9E3779B97F4A7C15ULL ^ low);
  }
};
