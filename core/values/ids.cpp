#include "core/values/ids.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace assay {

namespace {
constexpr std::string_view evaluation_prefix = "eval_";
constexpr size_t seconds_digits = 10;
constexpr size_t random_digits = 8;
} // namespace

std::string to_string(run_id id) {
  char text[32];
  const auto seconds = static_cast<unsigned>(id.value >> 32);
  const auto random = static_cast<unsigned>(id.value & 0xFFFFFFFFU);
  const int size = std::snprintf(text, sizeof text, "eval_%010u_%08x", seconds, random);
  return {text, static_cast<size_t>(size)};
}

std::optional<run_id> run_id_from_string(std::string_view text) {
  constexpr size_t size = evaluation_prefix.size() + seconds_digits + 1 + random_digits;
  if (text.size() != size || !text.starts_with(evaluation_prefix))
    return std::nullopt;
  text.remove_prefix(evaluation_prefix.size());
  uint32_t seconds = 0;
  uint32_t random = 0;
  const char* middle = text.data() + seconds_digits;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), middle, seconds, 10);
  if (first.ec != std::errc{} || first.ptr != middle || *middle != '_')
    return std::nullopt;
  const auto second = std::from_chars(middle + 1, end, random, 16);
  if (second.ec != std::errc{} || second.ptr != end)
    return std::nullopt;
  const run_id id{seconds, random};
  // Upper-case digits and signs parse too; an id has one spelling only.
  if (id.empty() || to_string(id).substr(evaluation_prefix.size()) != text)
    return std::nullopt;
  return id;
}

bool is_caller_id(std::string_view text) noexcept {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_'
           || c == '-';
  };
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, allowed);
}

} // namespace assay
