#include "server/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace assay::server {

namespace {

std::string position_of(std::string_view text, size_t offset) {
  const auto before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto newline = before.rfind('\n');
  const auto column = newline == std::string_view::npos ? before.size() : before.size() - newline - 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(std::max<size_t>(column, 1));
}

/// Only the depth matters here, so brackets are counted outside of strings.
bool is_too_deep(std::string_view text) noexcept {
  unsigned depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > deepest_json)
        return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

/// Watches a parser for names that one object has twice.
class duplicate_watch {
public:
  /// What the parser calls.
  bool operator()(nlohmann::json::parse_event_t what, const nlohmann::json& value) {
    using event = nlohmann::json::parse_event_t;
    if (what == event::object_start) {
      open_.emplace_back();
    } else if (what == event::object_end && !open_.empty()) {
      open_.pop_back();
    } else if (what == event::key && !open_.empty()) {
      auto& [names, present] = open_.back();
      present = value.get<std::string>();
      if (!names.insert(present).second && !found_)
        found_ = path();
    }
    return true;
  }

  /// @returns the path of the first one.
  const std::optional<std::string>& found() const noexcept { return found_; }

private:
  struct object {
    std::set<std::string> names;
    std::string present;
  };

  std::string path() const {
    std::string out;
    for (const auto& one : open_)
      out.append(&one == &open_.front() ? "" : ".").append(one.present);
    return out;
  }

  std::vector<object> open_;
  std::optional<std::string> found_;
};

} // namespace

result<nlohmann::json> parse_json(std::string_view text) {
  if (is_too_deep(text))
    return fault{errc::malformed_input,
                 "the JSON is nested deeper than " + std::to_string(deepest_json) + " levels",
                 {},
                 {}};
  try {
    duplicate_watch watch;
    auto parsed = nlohmann::json::parse(text, [&watch](int, nlohmann::json::parse_event_t what,
                                                       nlohmann::json& value) { return watch(what, value); });
    if (const auto& twice = watch.found())
      return fault{errc::invalid_argument, "is given twice in one object", *twice, "give it once"};
    return {boost::system::in_place_value, std::move(parsed)};
  } catch (const nlohmann::json::parse_error& error) {
    return fault{errc::malformed_input,
                 "the body is not valid JSON: " + position_of(text, error.byte),
                 {},
                 "send UTF-8 JSON as described by /openapi.json"};
  } catch (const nlohmann::json::out_of_range&) {
    return fault{errc::malformed_input, "the body holds a number that is too large", {}, {}};
  }
}

} // namespace assay::server
