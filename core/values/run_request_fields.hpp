#pragma once

#include "core/values/run_request.hpp"

#include <nlohmann/json_fwd.hpp>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// How run_request.cpp finds and converts the values of one body. Private to run_request*.cpp.
namespace assay::run_request_detail {

inline constexpr size_t longest_name = 256;

/// Settings that may stand in `gen_kwargs`.
inline constexpr std::string_view generation_keys[] = {
    "temperature", "top_p",        "frequency_penalty", "presence_penalty",
    "max_tokens",  "max_gen_toks", "stop_sequences",    "stop",
    "until",       "seed",         "do_sample",
};

template <size_t N>
bool contains(const std::string_view (&words)[N], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

/// @returns @p value as short JSON text, for messages.
std::string shown(const nlohmann::json& value);

/// One value with the place where the caller wrote it.
struct given {
  std::string where;
  const nlohmann::json* value = nullptr;
};

/// The values of one body and its faults, the first of which counts. A setting may stand in several places,
/// which must agree.
class fields {
public:
  /// @param body Must outlive this.
  explicit fields(const nlohmann::json& body) : body_(body) {}

protected:
  // -- finding values -----------------------------------------------------------------------------------

  /// Fills found_ with every place that has one of these names.
  void collect(std::initializer_list<std::string_view> aliases);
  /// @returns the object under @p key, or nothing; a fault when it is no object.
  const nlohmann::json* object_at(const nlohmann::json& parent, const std::string& where,
                                  std::string_view key);

  /// Converts every place that names the setting and insists that they agree.
  template <class T, class Convert>
  std::optional<T> agreed(std::initializer_list<std::string_view> aliases, Convert convert) {
    collect(aliases);
    std::optional<T> value;
    std::string first;
    for (const auto& place : found_) {
      const std::optional<T> here = convert(place);
      if (failed() || !here)
        return std::nullopt;
      if (value && *value != *here) {
        fail(place.where, "contradicts " + first, "give one of them, or the same value in both");
        return std::nullopt;
      }
      if (!value)
        first = place.where;
      value = here;
    }
    return value;
  }

  // -- converting: nothing and a fault when the value does not fit --------------------------------------

  std::optional<int64_t> whole(const given& at, int64_t lowest, int64_t highest);
  std::optional<double> number(const given& at, double lowest, double highest);
  std::optional<bool> flag(const given& at);
  std::optional<std::string> text(const given& at, size_t longest);
  std::optional<std::vector<std::string>> names(const given& at, size_t most);
  std::optional<std::vector<std::string>> stop_texts(const given& at);

  std::optional<int64_t> whole_setting(std::initializer_list<std::string_view> names, int64_t lowest,
                                       int64_t highest);
  std::optional<double> number_setting(std::string_view name, double lowest, double highest);
  std::optional<bool> flag_setting(std::string_view name);
  std::optional<std::string> text_setting(std::string_view name, size_t longest);

  // -- outcome ------------------------------------------------------------------------------------------

  bool failed() const noexcept { return error_.has_value(); }
  void fail(std::string where, std::string message, std::string hint = {}) {
    if (!error_)
      error_ = fault{errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
  }
  void note(std::string text) { notes_.push_back(std::move(text)); }

  const nlohmann::json& body_;
  const nlohmann::json* configuration_ = nullptr;
  std::vector<std::pair<std::string, const nlohmann::json*>> generation_objects_;
  std::vector<given> found_;
  std::optional<fault> error_;
  std::vector<std::string> notes_;

private:
  void look_in(const nlohmann::json& object, const std::string& prefix, std::string_view key);
};

} // namespace assay::run_request_detail
