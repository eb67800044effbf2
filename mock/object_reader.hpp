#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// Reads the members of one JSON object of the mock's own configuration; collects the first mistake.
class object_reader {
public:
  object_reader(const nlohmann::json& in, std::string where) : in_(in), where_(std::move(where)) {
    if (!in_.is_object())
      fail("", "must be an object");
  }

  void number_in(const char* name, double low, double high, double& out) {
    if (const auto* value = take(name)) {
      if (!value->is_number() || value->get<double>() < low || value->get<double>() > high)
        fail(name,
             "must be a number from " + nlohmann::json(low).dump() + " to " + nlohmann::json(high).dump());
      else
        out = value->get<double>();
    }
  }

  template <class Integer>
  void count(const char* name, uint64_t low, uint64_t high, Integer& out) {
    if (const auto* value = take(name)) {
      if (!value->is_number_unsigned() || value->get<uint64_t>() < low || value->get<uint64_t>() > high)
        fail(name, "must be an integer from " + std::to_string(low) + " to " + std::to_string(high));
      else
        out = static_cast<Integer>(value->get<uint64_t>());
    }
  }

  void counts(const char* name, uint64_t low, std::vector<uint64_t>& out) {
    const auto* value = take(name);
    if (value == nullptr)
      return;
    const auto fits = [low](const nlohmann::json& x) {
      return x.is_number_unsigned() && x.get<uint64_t>() >= low;
    };
    if (value->is_array() && std::all_of(value->begin(), value->end(), fits))
      out = value->get<std::vector<uint64_t>>();
    else if (fits(*value))
      out = {value->get<uint64_t>()};
    else
      fail(name, "must be a list of integers from " + std::to_string(low));
  }

  void flag(const char* name, bool& out) {
    if (const auto* value = take(name)) {
      if (!value->is_boolean())
        fail(name, "must be true or false");
      else
        out = value->get<bool>();
    }
  }

  bool text(const char* name, std::string& out) {
    const auto* value = take(name);
    if (value == nullptr)
      return false;
    if (!value->is_string())
      fail(name, "must be a text");
    else
      out = value->get<std::string>();
    return true;
  }

  bool has(const char* name) const { return in_.is_object() && in_.contains(name); }

  void fail(const std::string& name, std::string message) {
    if (!fault_)
      fault_ =
          fault{errc::invalid_argument, std::move(message), name.empty() ? where_ : where_ + "." + name, {}};
  }

  /// Refuses members that nobody asked for. @returns the first mistake.
  std::optional<fault> finish() {
    if (!fault_ && in_.size() != taken_.size())
      for (const auto& [name, value] : in_.items())
        if (std::find(taken_.begin(), taken_.end(), name) == taken_.end())
          fail(name, "is not a known member");
    return fault_;
  }

private:
  const nlohmann::json* take(const char* name) {
    if (!has(name))
      return nullptr;
    taken_.emplace_back(name);
    return &in_.at(name);
  }

  const nlohmann::json& in_;
  std::string where_;
  std::vector<std::string> taken_;
  std::optional<fault> fault_;
};

/// Reads `[...]` or `{"<member>": [...]}` of at most 1000 entries. An out parameter, since a result<json>
/// could not tell a value from an error: json converts from both.
std::optional<fault> read_list(std::string_view text, const char* member, nlohmann::json& list);

} // namespace assay::mock
